"""The pages and their JSON, as a WSGI application."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request, url_for
from werkzeug.exceptions import HTTPException, NotFound

from trainer.dashboard import charts, facts, guard, timeline, words
from trainer.dashboard.life import spans
from trainer.dashboard.money import Flow, flow
from trainer.dashboard.reading import Reader, Story
from trainer.dashboard.watch import Moment, Picture, Watch
from trainer.errors import ChainError, NodeError
from trainer.index import FOREVER, Challenge, Clock, Index
from trainer.protocol import ETHER, Outcome, Phase, Rule

STATIC = Path(__file__).with_name("static")
KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
PAGE = 50
"""Challenges on a page."""
REFRESH = 10
"""Seconds after which a browser asks again."""
SAID = {
    400: "There is no such phase or page.",
    404: "There is nothing here.",
    405: "Nothing can be changed here: only GET and HEAD are answered.",
    421: "This server does not answer for that host. Ask for it by its address, or start it with --allow-host.",
    503: "The chain is being read. Try again in a moment.",
}


@dataclass(frozen=True)
class Listed:
    """A challenge and where it stands."""

    life: Challenge
    clock: Clock


@dataclass(frozen=True)
class Listing:
    """One page of challenges, newest first."""

    rows: list[Listed]
    counts: dict[Phase, int]
    found: int
    phase: Phase | None
    page: int
    pages: int


def create(
    watch: Watch, open_index: Callable[[], Index], *, market: str, chain_id: int, hosts: Collection[str] = ()
) -> Flask:
    """The application.

    open_index: an index for a thread that only reads.
    hosts:      names, beside `localhost`, under which the pages may be asked for.
    """
    # three small files are read once, below: nothing that a request names is looked for on the disk
    app = Flask(__name__, static_folder=None)
    static = {path.name: path.read_bytes() for path in STATIC.iterdir()}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    reader = Reader(open_index)
    guard.protect(app, hosts)
    for filter in (
        words.phase,
        words.outcome,
        words.amount,
        words.per,
        words.short,
        words.when,
        words.iso,
        words.relative,
        words.percent,
        words.colour,
        words.count_bits,
    ):
        app.add_template_filter(filter)

    @app.context_processor
    def everywhere() -> dict[str, Any]:
        moment = watch.moment()
        return {
            "market": market,
            "chain_id": chain_id,
            "picture": watch.picture,
            "progress": watch.progress,
            "trouble": watch.trouble,
            "now": moment.now,
            "refresh": REFRESH,
            "ETHER": ETHER,
            "FOREVER": FOREVER,
            "Phase": Phase,
            "Rule": Rule,
            "WAITING": words.WAITING,
            "page_of": page_of,
        }

    def known() -> Picture:
        picture = watch.picture
        if picture is None:
            abort(503)
        return picture

    def told(id: int) -> Story:
        known()
        try:
            return reader.story(id)
        except ChainError:
            abort(404)
        except NodeError:
            abort(503)

    def answer(found: dict[str, Any]) -> Response:
        head = facts.state(watch.picture, watch.moment(), watch.trouble, watch.progress)
        return jsonify({"market": market, "chain_id": chain_id, "known": head, **found})

    @app.get("/static/<filename>", endpoint="static")
    def static_file(filename: str) -> Response:
        kind = KINDS.get(filename.rpartition(".")[2])
        if filename not in static or kind is None:
            abort(404)
        return Response(static[filename], mimetype=kind)

    @app.get("/")
    def challenges() -> str:
        listing = _listing(known(), watch.moment())
        return render_template("challenges.html", listing=listing)

    @app.get("/challenge/<int:id>")
    def challenge(id: int) -> str:
        story, moment = told(id), watch.moment()
        clock, phases, money = _about(story, moment)
        return render_template(
            "challenge.html",
            life=story.life,
            terms=story.life.terms,
            clock=clock,
            events=[facts.event_facts(event) for event in story.events],
            line=timeline.draw(phases, story.events, moment.now),
            audits=charts.audits(story),
            money=money,
            streams=charts.streams(money),
            best=story.life.best_claim(moment.now),
            scores={e.values["seal"]: e.values["score"] for e in story.events if e.name == "Unsealed"},
        )

    @app.get("/market")
    def market_page() -> str:
        picture = known()
        tokens = list(picture.books)
        paid = {token: [price for price in picture.prices if price.token == token] for token in tokens}
        return render_template(
            "market.html",
            tokens=tokens,
            paid=paid,
            charts={token: charts.prices(paid[token]) for token in tokens},
            totals=_totals(picture, watch.moment()),
        )

    @app.get("/api/state")
    def state_facts() -> Response:
        return answer({})

    @app.get("/api/challenges")
    def challenges_facts() -> Response:
        moment = watch.moment()
        listing = _listing(known(), moment)
        return answer(
            {
                "page": listing.page,
                "pages": listing.pages,
                "found": listing.found,
                "phases": {words.phase(phase): count for phase, count in listing.counts.items()},
                "challenges": [facts.summary(row.life, row.clock, moment.now) for row in listing.rows],
            }
        )

    @app.get("/api/challenges/<int:id>")
    def challenge_facts(id: int) -> Response:
        story, moment = told(id), watch.moment()
        return answer(facts.whole(story, moment.now, *_about(story, moment)))

    @app.get("/api/market")
    def market_facts() -> Response:
        totals = _totals(known(), watch.moment())
        books = {token: {name: str(sum) for name, sum in sums.items()} for token, sums in totals.pop("books").items()}
        return answer({**totals, "books": books})

    @app.get("/api/prices")
    def prices_facts() -> Response:
        return answer({"prices": [facts.price(paid) for paid in known().prices]})

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Response:
        code = error.code or 500
        said = SAID.get(code, "Something went wrong here; the log of this server says more.")
        if code == 503 and watch.trouble:
            said = watch.trouble
        if request.path.startswith("/api/"):
            response = jsonify({"error": said})
        elif code == 421:
            response = Response(said, mimetype="text/plain")
        else:
            response = Response(render_template("error.html", code=code, said=said))
        response.status_code = code
        if code == 405:
            response.headers["Allow"] = ", ".join(guard.METHODS)
        if code == 503:
            response.headers["Retry-After"] = str(REFRESH)
        return response

    return app


def _about(story: Story, moment: Moment) -> tuple[Clock, list[Any], Flow]:
    return moment.clock(story.life), spans(story.events, moment), flow(story)


def _listing(picture: Picture, moment: Moment) -> Listing:
    """The page of challenges that the request asks for. Ends it with 400 or 404 where there is none such."""
    wanted = _phase(request.args.get("phase", ""))
    rows = [Listed(life, moment.clock(life)) for life in reversed(picture.lives)]
    counts = Counter(row.clock.phase for row in rows)
    if wanted is not None:
        rows = [row for row in rows if row.clock.phase == wanted]
    pages = max(1, -(-len(rows) // PAGE))
    page = _number(request.args.get("page", "1"))
    if page > pages:
        raise NotFound
    return Listing(
        rows[(page - 1) * PAGE : page * PAGE],
        {phase: counts[phase] for phase in Phase if counts[phase] or phase == wanted},
        len(rows),
        wanted,
        page,
        pages,
    )


def _phase(text: str) -> Phase | None:
    if not text:
        return None
    found = next((phase for phase, name in words.PHASES.items() if name == text), None)
    if found is None:
        abort(400)
    return found


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        abort(400)
    return int(text)


def _totals(picture: Picture, moment: Moment) -> dict[str, Any]:
    """Counts and sums of the market. `books` has a token's sums, `paid` among them what winners got."""
    clocks = [moment.clock(life) for life in picture.lives]
    paid: Counter[str] = Counter()
    for price in picture.prices:
        paid[price.token] += price.reward
    outcomes = Counter(clock.outcome for clock in clocks if clock.outcome)
    return {
        "challenges": len(clocks),
        "open": sum(clock.phase not in (Phase.SETTLE, Phase.CLOSED) for clock in clocks),
        "seals": sum(len(life.seals) for life in picture.lives),
        "fallen": sum(bool(seal.fell) for life in picture.lives for seal in life.seals),
        "outcomes": {str(outcome.name).lower(): outcomes[outcome] for outcome in Outcome if outcomes[outcome]},
        "books": {token: {**sums, "paid": paid[token]} for token, sums in picture.books.items()},
    }


def page_of(listing: Listing, page: int, endpoint: str = "challenges") -> str:
    """The address of another page of the same list."""
    phase = None if listing.phase is None else words.phase(listing.phase)
    return url_for(endpoint, phase=phase, page=page if page > 1 else None)

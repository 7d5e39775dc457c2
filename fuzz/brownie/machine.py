"""Brownie's classes as hypothesis' state machines, with a chain of their own for every example.

    1. `__init__(cls, …)` runs once, on the class: deploy here.
    2. Then for each example: `setup`, some `initialize*`, some `rule*`, after each of them all `invariant*`, and
       `teardown` if nothing failed. The chain is put back to where `__init__` left it.
    3. `teardown_final(cls)` runs once, failed or not. The chain is put back to where it was before.

A parameter of a rule takes the strategy that is a class attribute of its name, or of the name that is its default.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import boa
import hypothesis
from hypothesis import stateful
from hypothesis.strategies import SearchStrategy

from fuzz.brownie.accounts import accounts

USED = "_hypothesis_internal_use_settings"
INHERITED = set(dir(stateful.RuleBasedStateMachine))


@contextmanager
def isolated() -> Iterator[None]:
    """What happens on the chain inside does not outlast the block.

    titanoboa also keeps two traces for the tracebacks of reverts. No anchor resets them, and a revert takes the longer
    the more there is in them: a hundred times as long after some hundreds of examples. They are cleared before and
    after: addresses are given again, and a trace of another contract at the same address breaks the traceback.
    """
    try:
        with boa.env.anchor():
            boa.env.sstore_trace.clear()
            boa.env.sha3_trace.clear()
            yield
    finally:
        boa.env.sstore_trace.clear()
        boa.env.sha3_trace.clear()


def given(*args: Any, **kwargs: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`hypothesis.given`, each example of which has a chain of its own, accounts funded.

    So fixtures that deploy need not be made anew for every example, and hypothesis' check for them is off; but for
    `@settings` above `@given`, which says all there is to say. Write it below.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def alone(*a: Any, **k: Any) -> None:
            with isolated():
                accounts.fund()
                test(*a, **k)

        drawn: Any = hypothesis.given(*args, **kwargs)(alone)
        # where hypothesis keeps a test's settings; `settings(…)(test)` could not be followed by another
        chosen = getattr(drawn, USED, hypothesis.settings.default)
        unchecked = {*chosen.suppress_health_check, hypothesis.HealthCheck.function_scoped_fixture}
        setattr(drawn, USED, hypothesis.settings(chosen, suppress_health_check=unchecked))
        return drawn

    return decorate


def _is(name: str, kind: str) -> bool:
    return name == kind or name.startswith(kind + "_")


def _arguments(name: str, method: Callable[..., Any], strategies: dict[str, Any]) -> dict[str, Any]:
    """The strategies of a rule's parameters; raises TypeError for one that has none."""
    found = {}
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        wanted = parameter.default if isinstance(parameter.default, str) else parameter.name
        if wanted in strategies:
            found[parameter.name] = strategies[wanted]
        elif isinstance(parameter.default, SearchStrategy):
            found[parameter.name] = parameter.default
        elif parameter.default is parameter.empty or isinstance(parameter.default, str):
            raise TypeError(
                f"{name}: nothing to draw {parameter.name!r} from; give the class an attribute "
                f"{wanted} = strategy(…), or name one of {sorted(strategies)} as its default"
            )
    return found


def _member(name: str, method: Callable[..., Any], strategies: dict[str, Any]) -> Any:
    """A method as hypothesis wants it: no defaults, no result, and the machine knows if it failed."""

    def member(self: Any, *called: Any, **drawn: Any) -> None:
        self._failed = True
        # hypothesis draws by name; rules may call each other by place
        method(self, *called, **drawn)
        self._failed = False

    member.__name__, member.__qualname__, member.__doc__ = name, f"{method.__qualname__}", method.__doc__
    # preconditions
    member.__dict__.update(method.__dict__)
    if _is(name, "invariant"):
        if len(inspect.signature(method).parameters) > 1:
            raise TypeError(f"{name}: an invariant looks at the state and draws nothing; make it a rule")
        return stateful.invariant()(member)
    decorate = stateful.rule if _is(name, "rule") else stateful.initialize
    return decorate(**_arguments(name, method, strategies))(member)


def build(cls: type, *args: Any, **kwargs: Any) -> Any:
    """The class as a state machine of hypothesis, after its `__init__`; raises TypeError where it cannot be one."""
    if issubclass(cls, stateful.RuleBasedStateMachine):
        raise TypeError(
            f"{cls.__name__} is a machine of hypothesis already; a class of this kind inherits from nothing"
        )

    def begin(self: Any) -> None:
        stateful.RuleBasedStateMachine.__init__(self)
        self._failed = False
        self._chain = ExitStack()
        self._chain.enter_context(isolated())
        try:
            if hasattr(cls, "setup"):
                cls.setup(self)
        except BaseException:
            self._chain.close()
            raise

    def end(self: Any) -> None:
        with self._chain:
            if hasattr(cls, "teardown") and not self._failed:
                cls.teardown(self)

    machine: Any = type(
        cls.__name__,
        (cls, stateful.RuleBasedStateMachine),
        {"__init__": begin, "teardown": end, "__doc__": cls.__doc__},
    )
    # Brownie calls it once, on the class: mypy knows it only as a method of instances
    once: Any = inspect.getattr_static(cls, "__init__")
    if once is not object.__init__:
        once(machine, *args, **kwargs)
    strategies = {name: value for name, value in inspect.getmembers(machine) if isinstance(value, SearchStrategy)}
    rules = 0
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if name not in INHERITED and any(_is(name, kind) for kind in ("rule", "initialize", "invariant")):
            setattr(machine, name, _member(name, method, strategies))
            rules += _is(name, "rule")
    if not rules:
        raise TypeError(f"{cls.__name__} has no rules; name a method rule or rule_…")
    return machine


def state_machine(cls: type, *args: Any, settings: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    """Run a class of rules: `state_machine(StateMachine, accounts, token, settings={"max_examples": 50})`.

    args, kwargs: for the class's `__init__`.
    settings:     hypothesis' settings that differ from the profile's.

    Returns the class that ran, with what `__init__` and the examples left on it. Raises what an example raised, once
    hypothesis has made it as short as it can, and TypeError for a class that is no machine.
    """
    with isolated():
        accounts.fund()
        machine = build(cls, *args, **kwargs)
        try:
            chosen = hypothesis.settings(**{"deadline": None, **(settings or {})})
            stateful.run_state_machine_as_test(machine, settings=chosen)
        finally:
            if hasattr(machine, "teardown_final"):
                machine.teardown_final(machine)
    return machine

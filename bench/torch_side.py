"""The other side of `bench.train`: the same nets in PyTorch, in a process and an environment of its own.

    build/torch-venv/bin/python bench/torch_side.py rows.npz

Imports nothing but PyTorch and NumPy. rows.npz has x, uint8, shape (n, inputs), and y, uint8, shape (n,). Every line on
standard input is a request in JSON, and is answered by a line:

    {"start": net, "arrays": file, "plan": plan, "device": "cpu", "threads": null}
        begins a training; answers {"device": ..., "torch": ..., "threads": ..., "channels_last": ...}
    {"pass": null} or {"pass": [2, 0, 1, ...]}
        one pass over the rows, in a random order or in this one; answers {"seconds": ..., "loss": ...}
    {"save": file}
        writes the arrays as they are now; answers {}

Nets and the names of arrays are those of `bench/torch_nets.py`. What a user who wants speed would do is done: all rows
are tensors from the start, batches are indexed, AdamW is fused, rates are computed ahead; one thread or all cores, and
planes with channels first or last, are tried, and the fastest is taken.
"""

import copy
import itertools
import json
import math
import os
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM = 0.1
EPSILON = 1e-5
TUNING_ROUNDS, TUNING_STEPS = 4, 8
FORMATS = {False: torch.contiguous_format, True: torch.channels_last}


class FloatMLP(nn.Sequential):
    """Dense layers with batch norm and ReLU on the hidden ones."""

    def __init__(self, widths: list[int]) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths[:-1]):
            norm = nn.BatchNorm1d(outputs, eps=EPSILON, momentum=MOMENTUM)
            layers += [nn.Linear(inputs, outputs), norm, nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.Linear(*widths[-2:]))


class FloatCNN(nn.Module):
    """Convolutions with batch norm and ReLU, halved by their largest numbers or not, then a dense layer."""

    def __init__(self, net: dict[str, Any]) -> None:
        super().__init__()
        self.shape, self.halved = net["image"], [block["halved"] for block in net["blocks"]]
        channels, height, width = self.shape
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for block in net["blocks"]:
            size, outputs = block["kernel"], block["outputs"]
            self.convolutions.append(nn.Conv2d(channels, outputs, size, padding=size // 2, bias=False))
            self.norms.append(nn.BatchNorm2d(outputs, eps=EPSILON, momentum=MOMENTUM))
            channels = outputs
            if block["halved"]:
                height, width = height // 2, width // 2
        self.last = channels, height, width
        self.head = nn.Linear(channels * height * width, net["classes"])

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, *self.shape)
        for convolution, norm, halved in zip(self.convolutions, self.norms, self.halved, strict=True):
            x = norm(convolution(x))
            x = F.relu(F.max_pool2d(x, 2) if halved else x)
        return self.head(x.flatten(1))


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of `exact` with the gradient of `smooth`."""
    # not smooth + (exact - smooth).detach(): its two roundings could miss `exact` by an ulp
    return exact.detach() + (smooth - smooth.detach())


class Quantised(nn.Module):
    """A dense or convolutional network trained through its rounding: integers in floats, right shifts, clipping."""

    def __init__(self, net: dict[str, Any]) -> None:
        super().__init__()
        self.layers, self.top = net["layers"], net["top"]
        self.shape = net.get("image")
        self.halved = [block["halved"] for block in net.get("blocks", ())]
        self.weights = nn.ParameterList(torch.zeros(layer["shape"]) for layer in self.layers)
        self.biases = nn.ParameterList(torch.zeros(layer["shape"][0]) for layer in self.layers)
        self.real = 2.0 ** -self.layers[-1]["accumulator_exponent"]

    def integers(self, number: int) -> tuple[Tensor, Tensor]:
        """Weights and bias of a layer as integers."""
        layer = self.layers[number]
        largest, rest = layer["largest"], layer["rest"]
        weights = (self.weights[number] * 2.0 ** layer["weight_exponent"]).clamp(-largest, largest)
        bias = self.biases[number] * 2.0 ** layer["accumulator_exponent"] + layer["half"]
        if rest is not None:
            bias = bias.clamp(-rest, rest)
        return straight_through(weights.round(), weights), straight_through(bias.round(), bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.shape is not None:
            x = x.view(-1, *self.shape)
        for number, layer in enumerate(self.layers):
            weights, bias = self.integers(number)
            if number == len(self.layers) - 1:
                return F.linear(x.flatten(1), weights, bias) * self.real
            if self.shape is None:
                x = F.linear(x, weights, bias)
            else:
                x = F.conv2d(x, weights, bias, padding=weights.shape[-1] // 2)
                if self.halved[number]:
                    x = F.max_pool2d(x, 2)
            x = (x * 2.0 ** -layer["shift"]).clamp(0, self.top)
            x = straight_through(x.floor(), x)
        raise AssertionError("a network has a last layer")


def sign(x: Tensor) -> Tensor:
    """-1 below zero, else 1, with the gradient of x clipped to [-1, 1]."""
    return straight_through(torch.where(x >= 0, 1.0, -1.0), x.clamp(-1, 1))


class Binary(nn.Module):
    """Dense layers of signs, with batch norm before the hidden ones."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.zeros(outputs, inputs) for inputs, outputs in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width, eps=EPSILON, momentum=MOMENTUM) for width in widths[1:-1])
        self.bias, self.gain = nn.Parameter(torch.zeros(widths[-1])), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        for weights, norm in zip(self.weights, self.norms, strict=False):
            x = sign(norm(F.linear(x, sign(weights))))
        scale = self.gain.exp() / math.sqrt(x.shape[1])
        return F.linear(x, sign(self.weights[-1])) * scale + self.bias


Arrays = dict[str, Any]


def build(net: dict[str, Any]) -> nn.Module:
    """The module of a net, before its arrays are loaded."""
    if net["kind"] == "quantised":
        return Quantised(net)
    if net["kind"] == "binary":
        return Binary(net["widths"])
    return FloatCNN(net) if "image" in net else FloatMLP(net["widths"])


def places(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module under the names that `bench.train` gives to those of JAX."""
    found: dict[str, Tensor] = {}
    if isinstance(module, FloatMLP | FloatCNN):
        linears = [part for part in module.modules() if isinstance(part, nn.Linear | nn.Conv2d)]
        weights, biases = [part.weight for part in linears], [part.bias for part in linears]
    elif isinstance(module, Quantised):
        weights, biases = list(module.weights), list(module.biases)
    else:
        assert isinstance(module, Binary), "all kinds are known"
        weights, biases = list(module.weights), [None] * (len(module.weights) - 1) + [module.bias]
        found["gain"] = module.gain
    found |= {f"weights{number}": weight for number, weight in enumerate(weights)}
    found |= {f"bias{number}": bias for number, bias in enumerate(biases) if bias is not None}
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
    for number, norm in enumerate(norms):
        parts = {"scale": norm.weight, "offset": norm.bias, "mean": norm.running_mean, "var": norm.running_var}
        found |= {f"{name}{number}": part for name, part in parts.items()}
    return found


def load(module: nn.Module, arrays: Arrays) -> None:
    """Copy arrays into a module."""
    mine = places(module)
    assert set(mine) == set(arrays), sorted(set(mine) ^ set(arrays))
    with torch.no_grad():
        for name, tensor in mine.items():
            tensor.copy_(torch.from_numpy(arrays[name]))


class Training:
    """A net in training on rows."""

    def __init__(self, request: Arrays, rows: Arrays) -> None:
        self.device = torch.device(request["device"])
        net, self.plan = request["start"], request["plan"]
        samples = torch.from_numpy(rows["x"]).float() * net["scale"] + net["offset"]
        self.x, self.y = samples.to(self.device), torch.from_numpy(rows["y"]).long().to(self.device)
        self.module = build(net)
        load(self.module, np.load(request["arrays"]))
        self.module.to(self.device).train()
        self.done = 0
        rates = [self.rate(step) for step in range(self.plan["epochs"] * self.plan["steps"])]
        self.rates = rates or [self.plan["rate"]]
        self.chosen = self.tuned(request.get("threads"))
        self.optimiser = self.fresh(self.module)

    def rate(self, step: int) -> float:
        """Learning rate of a step: 10 % of warm-up, then a cosine to 1 %."""
        peak, total = self.plan["rate"], self.plan["epochs"] * self.plan["steps"]
        warm = total // 10
        if step < warm:
            return float(peak * (0.05 + 0.95 * step / warm))
        return float(peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))))

    def fresh(self, module: nn.Module) -> torch.optim.Optimizer:
        """An optimiser that has seen nothing."""
        decay = self.plan["decay"]
        return torch.optim.AdamW(module.parameters(), self.rates[0], (0.9, 0.99), weight_decay=decay, fused=True)

    def tuned(self, threads: int | None) -> dict[str, Any]:
        """Choose how copies of the net train fastest: threads, one or one a core, and the order of planes' numbers.

        threads: nothing is tried where it is given.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        if threads is not None or self.device.type != "cpu":
            return {"threads": torch.get_num_threads(), "channels_last": False}
        order = torch.arange(len(self.x))
        cores = sorted({1, len(os.sched_getaffinity(0))})
        formats = (False, True) if any(part.dim() == 4 for part in self.module.parameters()) else (False,)
        seconds = dict.fromkeys(itertools.product(cores, formats), math.inf)
        for _ in range(TUNING_ROUNDS):
            for threads, last in seconds:
                torch.set_num_threads(threads)
                module = copy.deepcopy(self.module).to(memory_format=FORMATS[last])
                optimiser, start = self.fresh(module), time.perf_counter()
                self.steps(module, optimiser, order, TUNING_STEPS, 0)
                seconds[threads, last] = min(time.perf_counter() - start, seconds[threads, last])
        threads, last = min(seconds, key=lambda way: seconds[way])
        torch.set_num_threads(threads)
        self.module.to(memory_format=FORMATS[last])
        return {"threads": threads, "channels_last": last}

    def steps(
        self, module: nn.Module, optimiser: torch.optim.Optimizer, order: Tensor, steps: int, first: int
    ) -> Tensor:
        """The sum of the losses of so many steps, whose rates are those from `first` on."""
        batch, rates, total = self.plan["batch"], self.rates, torch.zeros((), device=self.device)
        for step in range(min(steps, len(order) // batch)):
            index = order[step * batch : (step + 1) * batch]
            optimiser.param_groups[0]["lr"] = rates[min(first + step, len(rates) - 1)]
            optimiser.zero_grad(set_to_none=True)
            loss = F.cross_entropy(module(self.x.index_select(0, index)), self.y.index_select(0, index))
            loss.backward()
            optimiser.step()
            total += loss.detach()
        return total

    def one_pass(self, order: list[int] | None) -> dict[str, float]:
        """One pass over the rows."""
        start, steps = time.perf_counter(), self.plan["steps"]
        if order is None:
            rows = torch.randperm(len(self.x), device=self.device)
        else:
            rows = torch.tensor(order, device=self.device)
        total = self.steps(self.module, self.optimiser, rows, steps, self.done * steps)
        # waits for the device
        loss = float(total) / steps
        self.done += 1
        return {"seconds": time.perf_counter() - start, "loss": loss}

    def save(self, file: str) -> None:
        """Write the arrays as they are now."""
        np.savez(file, **{name: tensor.detach().cpu().numpy() for name, tensor in places(self.module).items()})


def main() -> None:
    """Answer requests until there are no more."""
    torch.manual_seed(0)
    rows = dict(np.load(sys.argv[1]))
    training: Training | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        if "start" in request:
            if request["device"] == "cuda" and not torch.cuda.is_available():
                sys.exit("this PyTorch has no CUDA")
            training = Training(request, rows)
            answer = {"device": request["device"], "torch": torch.__version__} | training.chosen
        else:
            assert training is not None, "start comes first"
            if "save" in request:
                training.save(request["save"])
            else:
                answer = training.one_pass(request["pass"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

"""PyTorch ports, written as users write them: right ones conform however their steps are found, wrong ones are rejected."""

from __future__ import annotations

import dataclasses
import importlib.util
import types
from collections.abc import Callable
from typing import Any

import pytest

import reference
from alexnet_ref.candidates import as_candidate
from alexnet_ref.checks import CHECKS
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.dropout import check_dropout
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.checks.lrn import check_lrn
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.weights import check_weights
from alexnet_ref.report import Report
from alexnet_ref.verify import verify
from reference import InvalidInput
from tests.miniatures import MINIATURES

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch"),
    pytest.mark.usefixtures("few_masks"),
]

TF1 = reference.ARCHITECTURES["tf1_graph"]
KERAS = reference.ARCHITECTURES["keras_sequential"]
QUICK = (check_facts, check_probes, check_lrn, check_agreement)
Build = Callable[[Any], Any]
FEW = MINIATURES["tf1_graph"]


@pytest.fixture(scope="module")
def ports() -> types.ModuleType:
    """Return the ports' module; PyTorch takes seconds to import."""
    from tests import torch_ports

    return torch_ports


def quick(port: Any, architecture: reference.Architecture = TF1, checks: Any = QUICK, **options: Any) -> Report:
    """Judge on one digit."""
    return verify(port, architecture, batch_size=1, checks=checks, diagnosis=False, **options)


def ids(report: Report, status: Any) -> set[str]:
    """Return the ids of the checks of this status."""
    return {check.id for check in report.of(status)}


RIGHT: dict[str, tuple[str, str]] = {  # {name: (how its steps are found, what builds it)}
    "sequential": ("torch.fx", "tf1_sequential"),
    "functions": ("torch.fx", "TF1"),
    "by hand": ("torch.fx", "ByHand"),
    "apart": ("torch.fx", "Apart"),
    "channels last": ("torch.export; not by torch.fx", "ChannelsLast"),
}


def quick_at(*names: str) -> list[Any]:
    """Return RIGHT's names as parameters, all but these slow."""
    return [pytest.param(name, marks=() if name in names else pytest.mark.slow) for name in RIGHT]


@pytest.fixture(params=["few channels", pytest.param("as documented", marks=pytest.mark.slow)])
def sized(request: pytest.FixtureRequest, ports: Any) -> tuple[Any, reference.Architecture]:
    """Return the number of filters and units of a port, and the network that it is a port of."""
    return (ports.FEW, FEW) if request.param == "few channels" else (ports.DOCUMENTED, TF1)


@pytest.mark.parametrize("name", quick_at("functions", "by hand"))
def test_right_port_conforms(name: str, ports: Any, sized: tuple[Any, reference.Architecture]) -> None:
    """Every layer is found, in the way that is expected, described, fed by itself, and right."""
    (way, build), (sizes, architecture) = RIGHT[name], sized
    report = quick(getattr(ports, build)(sizes), architecture)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    assert str(report.environment["steps found by"]).startswith(way)
    undescribed = {f"{concept}.hyperparameters[{layer}]" for concept, layer in UNDESCRIBED.get(name, ())}
    assert ids(report, "not checkable") <= undescribed


# What a port writes by hand, no word need describe: numbers alone decide.
UNDESCRIBED = {
    "functions": [("pool", "pool3")],
    "by hand": [("lrn", "norm1"), ("lrn", "norm2"), ("lrn", "norm3"), ("pool", "pool3")],
    "apart": [("pool", "pool3")],
    "channels last": [("pool", "pool3")],
}


@pytest.mark.slow
def test_a_bias_that_cannot_be_set_is_no_wrong_bias(ports: Any) -> None:
    """Where the port does not show which numbers are the bias, what would need them set is not checkable, and nothing fails."""
    report = quick(ports.Obscured(), checks=[check_probes, check_agreement])
    assert not ids(report, "failed")
    assert {"conv.exact[conv1]", "conv.isolated[conv1]"} <= ids(report, "not checkable")


@pytest.mark.parametrize("name", quick_at("sequential", "apart"))
def test_right_port_passes_every_check(name: str, ports: Any, sized: tuple[Any, reference.Architecture]) -> None:
    """Impulses, products and training included."""
    sizes, architecture = sized
    report = quick(getattr(ports, RIGHT[name][1])(sizes), architecture, checks=CHECKS)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    assert {check.kind for check in report.of("passed")} >= {"exact", "impulses", "bias", "variance", "scaling", "kept"}


@pytest.mark.slow
def test_training_is_judged_however_dropout_is_written(ports: Any) -> None:
    """A module, a function with the flag, and a function that is called in training alone are all seen to drop."""
    for name in ("sequential", "functions", "by hand"):
        report = quick(getattr(ports, RIGHT[name][1])(), checks=[check_dropout])
        assert len(report.of("passed")) == 9, name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Masked", "OwnGenerator"])
def test_dropout_by_hand_is_judged(name: str, ports: Any) -> None:
    """A mask that training alone has is dropout, and so is one of the module's own generator, a factor at inference."""
    port = getattr(ports, name)()
    report = quick(port, checks=[check_dropout])
    assert len(report.of("passed")) == 9, [(check.id, check.fact) for check in report.checks]
    report = quick(port)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]


@pytest.mark.slow
def test_masks_that_repeat_do_not_pass(ports: Any) -> None:
    """A generator made anew in each call is wrong; what seeds PyTorch itself shows no training, and is not said to be right."""
    report = quick(ports.NewGenerator(), checks=[check_dropout])
    assert {check.id for check in report.of("failed")} >= {f"dropout.independent[drop{i}]" for i in (1, 2, 3)}
    report = quick(ports.Seeded(), checks=[check_dropout])
    assert report.of("passed") == []
    assert {check.kind for check in report.of("not checkable")} == {"scaling", "kept", "independent"}


@pytest.mark.slow
def test_second_document_conforms(ports: Any) -> None:
    """keras_sequential with padding by hand, SAME where it is symmetric, and no padding where SAME adds none."""
    report = quick(ports.KerasSequential(), KERAS, checks=CHECKS)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    assert {check.kind for check in report.of("not checkable")} == {"unseen", "order", "loss"}


@pytest.mark.slow
def test_second_document_is_described(ports: Any) -> None:
    """Every hyperparameter of keras_sequential can be read off an idiomatic port."""
    report = quick(ports.KerasSequential(), KERAS, checks=[check_facts])
    assert len(report.of("passed")) == len(report.checks) == 2 + 3 * 21


# ---- Mistakes ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A wrong port, the layer where it is wrong, and checks that must be among those that fail."""

    build: Build
    layer: str
    failed: tuple[str, ...]
    architecture: reference.Architecture = FEW


def _subclass(name: str, base: str, **methods: Any) -> Build:
    return lambda ports: type(name, (getattr(ports, base),), methods)(ports.FEW)


def _functional() -> Any:
    import torch.nn.functional

    return torch.nn.functional


def _lrn(**changes: Any) -> Build:
    def build(ports: Any) -> Any:
        arguments = {"size": 9, "alpha": 0.001, "beta": 0.75, "k": 1.0} | changes
        return ports.tf1_sequential(ports.FEW, lrn=lambda: ports.nn.LocalResponseNorm(**arguments))

    return build


WRONG = {
    "lrn alpha not times size": Wrong(_lrn(alpha=0.001 / 9), "norm1", ("lrn.hyperparameters[norm1]", "lrn.probe[norm1]")),
    "lrn radius for size": Wrong(_lrn(size=4), "norm1", ("lrn.probe[norm1]",)),
    "lrn over rows, as of channels-last data": Wrong(
        _subclass(
            "Rows", "TF1", norm=lambda _, x: _functional().local_response_norm(x.transpose(1, 2), 9, 0.001).transpose(1, 2)
        ),
        "norm1",
        ("lrn.probe[norm1]",),
    ),
    "lrn by hand without the own square's neighbours": Wrong(
        _subclass("Own", "TF1", norm=lambda _, x: x / (1 + 0.001 / 9 * x * x) ** 0.75), "norm1", ("lrn.probe[norm1]",)
    ),
    "conv padding too wide": Wrong(
        lambda ports: _flattened_by(ports, ports.nn.AdaptiveAvgPool2d(4), padding=2),
        "conv1",
        ("conv.shape[conv1]", "conv.exact[conv1]"),
    ),
    "pool rounded down": Wrong(
        lambda ports: _flattened_by(ports, ports.nn.ZeroPad2d((0, 1, 0, 1)), pool=lambda: ports.nn.MaxPool2d(2, 2)),
        "pool3",
        ("pool.shape[pool3]", "pool.exact[pool3]"),
    ),
    "pool odd pixel before": Wrong(
        _subclass(
            "Before",
            "TF1",
            pool=lambda _, x: _functional().max_pool2d(
                _functional().pad(x, (x.shape[3] % 2, 0, x.shape[2] % 2, 0), value=float("-inf")), 2
            ),
        ),
        "pool3",
        ("pool.exact[pool3]",),
    ),
    "relu missing": Wrong(
        lambda ports: ports.tf1_sequential(ports.FEW, relu=False), "conv1", ("conv.hyperparameters[conv1]", "conv.exact[conv1]")
    ),
    "dropout keeps what it should drop": Wrong(
        lambda ports: ports.tf1_sequential(ports.FEW, rate=0.8),
        "drop1",
        ("dropout.hyperparameters[drop1]", "dropout.scaling[drop1]", "dropout.kept[drop1]"),
    ),
    "dropout in inference too": Wrong(
        _subclass("Always", "TF1", drop=lambda _, x: _functional().dropout(x, 0.2)), "drop1", ("dropout.exact[drop1]",)
    ),
    "dropout in inference alone": Wrong(
        _subclass("Confused", "TF1", drop=lambda self, x: _functional().dropout(x, 0.2, not self.training)),
        "drop1",
        ("dropout.exact[drop1]", "dropout.scaling[drop1]"),
    ),
    "dropout of whole channels": Wrong(
        _subclass("Channels", "TF1", drop=lambda self, x: _functional().dropout2d(x, 0.2, self.training)),
        "drop1",
        ("dropout.independent[drop1]",),
    ),
    "flatten rows of channels first": Wrong(
        _subclass("Columns", "TF1", flat=lambda _, x: x.transpose(2, 3).reshape(len(x), -1)),
        "flatten",
        ("flatten.exact[flatten]",),
    ),
    "softmax added": Wrong(
        lambda ports: ports.nn.Sequential(ports.tf1_sequential(ports.FEW), ports.nn.Softmax(dim=1)),
        "out",
        ("dense.exact[out]",),
    ),
}


def _flattened_by(ports: Any, first: Any, **options: Any) -> Any:
    """Return a port whose images, 4×4 no longer, are made so before they are flattened."""
    port = ports.tf1_sequential(ports.FEW, **options)
    port[15] = ports.nn.Sequential(first, ports.nn.Flatten())
    return port


# Without --slow, the two that PyTorch's own words invite.
INVITED = ("lrn alpha not times size", "pool rounded down")


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in INVITED else pytest.mark.slow) for name in WRONG])
def test_wrong_port_is_rejected(name: str, ports: Any) -> None:
    """The mistake's layer is the first wrong one, and the checks meant for it fail."""
    wrong = WRONG[name]
    checks = [check_facts, check_probes, *([check_dropout] if "dropout" in name else [])]
    report = quick(wrong.build(ports), wrong.architecture, checks=checks)
    assert not report.conforms
    assert report.first_wrong_layer == wrong.layer
    assert set(wrong.failed) <= ids(report, "failed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "failed", "changes"),
    [
        ("dense_2", "dense.probe[dense_2]", {"result": lambda _, x: x}),
        ("dense_2", "dense.probe[dense_2]", {"result": lambda _, x: _functional().log_softmax(x, -1)}),
        ("conv2d", "conv.exact[conv2d]", {"padded": lambda _, x: _functional().pad(x, (4, 4, 4, 4))}),
        ("conv2d", "conv.exact[conv2d]", {"padded": lambda _, x: _functional().pad(x, (4, 3, 4, 3))}),
    ],
    ids=["softmax missing", "log softmax", "conv padded symmetrically", "conv padded the wrong way round"],
)
def test_wrong_port_of_the_second_document_is_rejected(layer: str, failed: str, changes: Any, ports: Any) -> None:
    """The same, for what only keras_sequential has."""
    report = quick(type("Wrong", (ports.KerasSequential,), changes)(), KERAS, checks=[check_facts, check_probes])
    assert report.first_wrong_layer == layer
    assert failed in ids(report, "failed")


# ---- What is promised besides --------------------------------------------------------------------------------------------


def test_verifying_changes_nothing(ports: Any) -> None:
    """Weights, buffers and the training flag are what they were, whatever was set, dropped and normalised meanwhile."""
    port = ports.nn.Sequential(ports.TF1(ports.FEW), ports.nn.BatchNorm1d(10, affine=False)).train()
    before = {name: value.clone() for name, value in port.state_dict().items()}
    quick(port, FEW, checks=[check_probes, check_dropout])
    assert port.training
    assert all(part.training for part in port.modules())
    assert all(ports.torch.equal(value, port.state_dict()[name]) for name, value in before.items())


@pytest.mark.slow
def test_intended_weights_are_compared(ports: Any) -> None:
    """Kernels are turned, and the dense layer behind the flattening is re-ordered: bit for bit the params that went in."""
    params = reference.init_params(TF1, 3)
    port = ports.taking(ports.TF1(), params)
    report = quick(port, checks=[check_weights], params=params)
    assert report.of("passed")
    assert not report.of("failed")
    with ports.torch.no_grad():
        port.fc1.weight[5, 7] += 1
    assert ids(quick(port, checks=[check_weights], params=params), "failed") == {"dense.weights[fc1]"}


@pytest.mark.slow
def test_exported_program_conforms_and_training_is_not_checkable(ports: Any) -> None:
    """An exported program is judged like its module; how it trains, its graph cannot show."""
    torch = ports.torch
    port = ports.tf1_sequential().eval()
    program = torch.export.export(port, (torch.zeros(2, 1, 28, 28),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    report = quick(program, checks=[check_facts, check_probes, check_dropout])
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    training = {f"dropout.{kind}[drop{i}]" for kind in ("scaling", "kept", "independent") for i in (1, 2, 3)}
    assert ids(report, "not checkable") == training
    steps = [step for fact in as_candidate(program, TF1).facts() for step in fact.steps]
    assert any(step.startswith("aten.mul + ") for step in steps)  # LRN, taken apart, and described all the same


@pytest.mark.slow
def test_exported_program_of_one_batch_is_fed_in_that_batch(ports: Any) -> None:
    """A program that takes four images and no other number is judged all the same."""
    torch = ports.torch
    program = torch.export.export(ports.TF1().eval(), (torch.zeros(4, 1, 28, 28),))
    report = quick(program)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    assert report.environment["steps found by"] == "torch.export, batches of 4"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.isinstance.treespec:FutureWarning")  # PyTorch 2.13's lowering uses what it deprecates itself
def test_core_operators_are_understood(ports: Any) -> None:
    """A program lowered to ATen's core (addmm, convolution, maximum with place) is described and conforms."""
    torch = ports.torch
    program = torch.export.export(ports.tf1_sequential().eval(), (torch.zeros(2, 1, 28, 28),)).run_decompositions()
    report = quick(program)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]


@pytest.mark.slow
def test_what_cannot_be_traced_is_watched(ports: Any) -> None:
    """A module that asks its data is judged by the modules that it calls; what lies between them is reported as not checkable."""
    report = quick(ports.Branching())
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    assert str(report.environment["steps found by"]).startswith("by the modules that it calls; not by torch.fx")
    assert {f"conv.exact[conv{i}]" for i in (1, 2, 3)} | {"lrn.probe[norm2]", "dense.exact[fc2]"} <= ids(report, "passed")
    assert "pool.exact[pool1]" in ids(report, "not checkable")


@pytest.mark.slow
def test_what_cannot_be_traced_is_rejected_all_the_same(ports: Any) -> None:
    """A mistake in a part that is only watched fails where it is."""
    port = ports.Branching()
    port.norm1 = ports.nn.LocalResponseNorm(9, alpha=0.001 / 9, beta=0.75, k=1.0)
    assert quick(port, checks=[check_facts, check_probes]).first_wrong_layer == "norm1"
    port = type("Floor", (ports.Branching,), {"pool": lambda _, x: -_functional().max_pool2d(-x, 2, ceil_mode=True)})()
    assert quick(port).first_wrong_layer == "pool1"


def test_what_the_module_reports_of_itself(ports: Any) -> None:
    """The environment says version, device, threads, how steps were found, and every form of image that fits."""
    environment = as_candidate(ports.TF1(ports.FEW), FEW).environment()
    assert environment["torch"] == ports.torch.__version__
    assert environment["input"] == "(N, 1, 28, 28); it would take (N, 28, 28, 1) or (N, 28, 28) or (N, 784) as well"
    assert {"device", "threads", "oneDNN", "dtype"} <= set(environment)


def test_modules_that_cannot_be_judged_are_refused(ports: Any) -> None:
    """A module that takes no such image, and one that returns two tensors, are refused in a line."""
    with pytest.raises(InvalidInput, match="in no form"):
        as_candidate(ports.nn.Conv2d(7, 1, 3), TF1)
    with pytest.raises(InvalidInput, match=r"in no form.*one tensor"):
        as_candidate(type("Two", (ports.TF1,), {"forward": lambda _, x: (x, x)})(), TF1)


@pytest.mark.slow
def test_half_precision_is_declared_or_rejected(ports: Any) -> None:
    """A bfloat16 port is fed bfloat16 and returns what it computed: judged by float32 it does not conform."""
    report = quick(ports.ByHand().to(ports.torch.bfloat16), checks=[check_agreement])
    assert not report.conforms
    assert report.environment["dtype"] == "bfloat16"

"""PromptKD, unsupervised prompt distillation (Li et al. 2024, arXiv 2403.02781; zhengli97/PromptKD).

A teacher, a tuned plug-in on a wider backbone, has class vectors t and answers z_T = s_T f_T t. The student has prompts
in its image tower, u and Q_k as in PromptSRC, and a projector g into the teacher's space; its answers are z = s g(f) t.
    g = linear, BatchNorm, ReLU, linear;   L = w · τ² · KL(softmax(z_T / τ) ‖ softmax(z / τ)) / (B · C)
No label is read: upstream trains on all pictures of all classes, new ones among them, with a teacher tuned on base
classes. Learned: u, Q and g. Carried: these and t, so that the teacher is not needed after training; a plug-in works
with the classes that it has vectors of. BatchNorm uses the batch in training, and its running mean afterwards.

Deviations: parameters are float32. No epoch is selected on test pictures (upstream's "val" split is the base test set).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.outline import Outline
from clipcompat.common.errors import ConfigError, IncompatibleError, unknown_name
from clipcompat.methods.parts.logits import cosine_logits, no_class_weights
from clipcompat.methods.parts.parameters import linear_default, tensor_mismatch, trainable
from clipcompat.methods.visual.depth import check_depth, deep_layers, deep_prompts, depth_mismatch
from clipcompat.training.learner import Learner, Method, Shape, Tensors
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

_EPS, _MOMENTUM = 1e-5, 0.1  # of torch's BatchNorm


@dataclass(frozen=True)
class PromptKD(Method):
    """A student whose image features are mapped to the class vectors of a teacher.

    n_ctx: tokens per block of the image tower. depth: blocks with prompts, the input among them. weight, tau: w and τ;
    upstream's scripts have w = 1000, and 200 for FGVCAircraft, Flowers102 and DTD.
    teacher: where `fit` is given none, it tunes PromptSRC with its default settings on this backbone, MODEL or
        MODEL:WEIGHTS. teacher_classes: on "all" classes, or on the "base" ones, for tests on new classes.
    recipe: 20 epochs of 8 images. Cross-dataset runs: depth 3.
    """

    name: ClassVar[str] = "promptkd"
    title: ClassVar[str] = "PromptKD"
    acts_on: ClassVar[str] = "image features"
    needs: ClassVar[str] = "pixels"
    rows_of_classes: ClassVar[tuple[str, ...]] = ("classes",)
    takes_teacher: ClassVar[bool] = True

    n_ctx: int = 4
    depth: int = 9
    weight: float = 1000.0
    tau: float = 1.0
    teacher: str | None = None
    teacher_classes: str = "all"
    recipe: Recipe = field(default_factory=lambda: Recipe(lr=5e-3, epochs=20, batch_size=8))

    def __post_init__(self):
        check_depth(self.depth, self.n_ctx)
        if not 0 < self.tau <= 1e30 or not 0 <= self.weight <= 1e30:
            raise ConfigError(f"tau must be positive and weight 0 or more; these are {self.tau} and {self.weight}.")
        if self.teacher_classes not in ("all", "base"):
            raise unknown_name("teacher_classes", self.teacher_classes, ("all", "base"))
        _check_batch(self.recipe.batch_size)

    def setup(self, task: Task) -> Learner:
        backbone, generator, n = task.backbone, task.generator, self.n_ctx
        layers, seen = deep_layers(backbone, self.depth, text=False), backbone.penultimate
        count, size = len(task.data.train), self.recipe.batch_size
        _check_batch(min(count, size if self.recipe.drop_last or not count % size else count % size))
        teacher = Teacher(task)
        start = {"visual": deep_prompts(1, n, seen, generator)[0]}
        if layers:
            start["deep_visual"] = deep_prompts(layers, n, seen, generator)
        start |= _projector(backbone.dim, teacher.classes.shape[1], generator)
        parameters = trainable(start, task)
        state = {name: parameters.pop(name).detach() for name in ("projector.1.mean", "projector.1.variance")}

        def see(pixels: Tensor, frozen: Tensor | None = None) -> Tensor:
            """[batch, dim + class]: the student's features, then the teacher's answers."""
            prompted = backbone.prompted_features(pixels, self.visual_prompts(parameters))
            return torch.cat([prompted, teacher.logits(pixels) if frozen is None else frozen], dim=1)

        def objective(features: Tensor, labels: Tensor) -> Tensor:
            f, answers = features.split([backbone.dim, features.shape[1] - backbone.dim], dim=1)
            mapped = project(f, {**parameters, **state}, training=True)
            return self.divergence(answers, cosine_logits(mapped, teacher.classes, backbone.logit_scale))

        def pair(features: Tensor) -> tuple[Tensor, Tensor]:
            f = features[:, : backbone.dim]
            return project(f, {**parameters, **state}, training=True), teacher.classes

        def finish() -> Tensors:
            return {**parameters, **state, "classes": teacher.classes}

        frozen = teacher.views if teacher.crops_alike else None
        return Learner(parameters, objective, finish=finish, see=see, frozen=frozen, pair=pair)

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """L, from logits [batch, class]."""
        log_t, log_s = ((z / self.tau).log_softmax(-1) for z in (teacher, student))
        divergence = F.kl_div(log_s, log_t, reduction="sum", log_target=True) / log_s.numel()
        return self.weight * self.tau**2 * divergence

    def visual_prompts(self, tensors: Tensors) -> Sequence[Tensor]:
        """The prompts of the image tower for blocks 0, 1, …: [n_ctx, penultimate] each."""
        return [tensors["visual"], *tensors.get("deep_visual", ())]

    def image_towers(self, tensors, backbone: Backbone) -> tuple[Backbone]:
        return (backbone.with_visual_prompts(self.visual_prompts(tensors)),)

    def class_weights(self, tensors, backbone: Backbone, classnames, template):
        no_class_weights(self, "its class vectors are the teacher's, for image features that went through a projector")

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None) -> Tensor:
        return cosine_logits(project(features, tensors), tensors["classes"], backbone.logit_scale)

    def shapes(self, classes: int) -> dict[str, Shape]:
        deep: dict[str, Shape] = {"deep_visual": ("block", self.n_ctx, "penultimate")} if self.depth > 1 else {}
        channels = ("weight", "bias", "mean", "variance")
        return {
            "visual": (self.n_ctx, "penultimate"),
            **deep,
            "projector.0.weight": ("teacher", "dim"),
            "projector.0.bias": ("teacher",),
            **{f"projector.1.{name}": ("teacher",) for name in channels},
            "projector.3.weight": ("teacher", "teacher"),
            "projector.3.bias": ("teacher",),
            "classes": (classes, "teacher"),
        }

    def lengths(self, backbone: Backbone | Outline) -> dict[str, int]:
        return {} if backbone.no_visual_prompts else {"block": deep_layers(backbone, self.depth, text=False)}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        known = len(tensors["classes"]) if "classes" in tensors and tensors["classes"].ndim else 0
        why = depth_mismatch(tensors, "deep_visual", backbone, text=False)
        return why or tensor_mismatch(tensors, self.shapes(known), backbone)


def project(features: Tensor, tensors: Mapping[str, Tensor], training: bool = False) -> Tensor:
    """g: image features [image, dim], not normalised -> [image, teacher dim], not normalised.

    training: normalise by the batch, and move the running mean and variance, in place.
    """
    hidden = F.linear(features, tensors["projector.0.weight"], tensors["projector.0.bias"])
    running = tensors["projector.1.mean"], tensors["projector.1.variance"]
    learned = tensors["projector.1.weight"], tensors["projector.1.bias"]
    hidden = F.relu(F.batch_norm(hidden, *running, *learned, training=training, momentum=_MOMENTUM, eps=_EPS))
    return F.linear(hidden, tensors["projector.3.weight"], tensors["projector.3.bias"])


def _check_batch(images: int) -> None:
    if images < 2:
        raise ConfigError(
            f"BatchNorm needs at least two images per batch, and there would be one of {images}. Change "
            "recipe.batch_size, or give more training images."
        )


def _projector(inputs: int, outputs: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Initial values as in torch."""
    start = {}
    for name, width in (("projector.0", inputs), ("projector.3", outputs)):
        start[f"{name}.weight"] = linear_default(outputs, width, generator)
        start[f"{name}.bias"] = linear_default(outputs, width, generator, bias=True)
    for name, fill in (("weight", 1.0), ("bias", 0.0), ("mean", 0.0), ("variance", 1.0)):
        start[f"projector.1.{name}"] = torch.full((outputs,), fill)
    return start


class Teacher:
    """The teacher of a task: its class vectors [class, teacher dim], of unit norm, and its answers.

    crops_alike: whether its random crops of a picture are the student's.

    Raises:
        ConfigError: there is none. IncompatibleError: its plug-in does not fit its backbone or the classes, or it takes
        pictures of another size. PluginError: its method has no class weights.
    """

    def __init__(self, task: Task):
        if task.teacher is None:
            raise ConfigError(
                "promptkd learns from a teacher: give fit(…, teacher=(plugin, backbone)), such as a plug-in of "
                "promptsrc and the wider backbone it was tuned on, or name that backbone in PromptKD(teacher=…)."
            )
        plugin, backbone = task.teacher
        names, sizes = task.data.classnames, (backbone.preprocess.size, task.backbone.preprocess.size)
        match = plugin.match(backbone, names)
        if match.kind == "incompatible":
            raise IncompatibleError(f"the teacher does not fit its backbone: {match.why}")
        if sizes[0] != sizes[1]:
            raise IncompatibleError(
                f"the teacher {backbone.name} takes pictures of {sizes[0]} pixels and the student {task.backbone.name} "
                f"of {sizes[1]}, so they cannot see the same ones. Choose a teacher of {sizes[1]} pixels."
            )
        backbone = backbone.with_dtype(task.backbone.dtype)
        self.classes = plugin.class_weights(backbone, names).to(task.backbone.device)
        tensors = {name: t.to(backbone.device) for name, t in plugin.tensors.items()}
        self._task = task
        self.crops_alike = backbone.preprocess.min_crop == task.backbone.preprocess.min_crop
        self._tower, *more = plugin.method.image_towers(tensors, backbone)
        if more or plugin.method.image_features != "projected":
            raise IncompatibleError(
                f"{plugin.method.name} sees more than projected image features, so it cannot teach."
            )
        self._scale = backbone.logit_scale

    @torch.no_grad()
    def logits(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 [batch, 3, size, size] -> scaled cosines with the class vectors, [batch, class]."""
        return self._answers(self._tower.image_features(pixels))

    def views(self, count: int, crop: tuple[float, float]) -> Tensor:
        """The same for the first views of all training images, if both backbones crop alike: [view, image, class]."""
        features = self._task.views(count, crop, tower=self._tower)
        return self._answers(features.flatten(0, 1)).unflatten(0, features.shape[:2])

    def _answers(self, features: Tensor) -> Tensor:
        """[row, teacher dim] -> [row, class]"""
        return cosine_logits(features.to(self.classes.device), self.classes, self._scale)

"""The sentences that both towers read: class names in their templates. No picture is needed for them."""

from collections.abc import Sequence

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.data.mini.sets import SETS, study_names
from clipcompat.data.split import Dataset
from clipcompat.methods.parts.prompts import readable

TEMPLATE = "a photo of a {}."
_WITHOUT_PICTURES = ("imagenet", "mini", *SETS)


def find_prompts(classes: str | Dataset | Sequence[str] | Sequence[Dataset], template: str = TEMPLATE) -> list[str]:
    """Each different prompt once, in order.

    Args:
        classes: class names; or datasets, with their own templates; or the name of a dataset whose class names come
            with the packages: "mini" (the eleven sets), "mini/…", "imagenet".
        template: for class names, and for "imagenet".

    Raises:
        UnknownNameError: the name of another dataset. ConfigError: no class, or a template without {}.
    """
    if "{}" not in template:
        raise ConfigError(f"a template needs {{}} where the class name goes; this is {template!r}.")
    if isinstance(classes, str):
        found = _named(classes, template)
    else:
        listed = [classes] if isinstance(classes, Dataset) else list(classes)
        found = [prompt for item in listed for prompt in _of(item, template)]
    if not found:
        raise ConfigError("there are no class names; give a list of names, a dataset, or 'mini' or 'imagenet'.")
    return list(dict.fromkeys(found))


def _of(item: str | Dataset, template: str) -> list[str]:
    if not isinstance(item, Dataset):
        return [template.replace("{}", readable(item))]
    templates = [item.test.template] if isinstance(item.test.template, str) else item.test.template
    return [sentence.replace("{}", readable(name)) for sentence in templates for name in item.classnames]


def _named(name: str, template: str) -> list[str]:
    if name == "imagenet":
        from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # slow to import

        return [template.replace("{}", readable(own)) for own in IMAGENET_CLASSNAMES]
    if name != "mini" and name not in SETS:
        hint = "Of other datasets give the class names, or the dataset (cc.load_dataset)."
        raise unknown_name("dataset whose class names need no files", name, _WITHOUT_PICTURES, hint=hint)
    sets = study_names() if name == "mini" else (name,)
    return [SETS[one].template.replace("{}", readable(own)) for one in sets for own in SETS[one].classes]

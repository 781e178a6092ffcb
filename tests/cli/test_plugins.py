"""The verbs for one plug-in: import, export, predict, match; and what they say to what cannot be."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.published import published_weights
from clipcompat.cli import main
from clipcompat.cli.plugins import _classnames
from clipcompat.plugins.export import export_class_weights
from clipcompat.plugins.official.importer import import_plugin
from clipcompat.plugins.plugin import load_plugin
from tests.official import Bomb, adapter, buffers, context, promptkd, promptsrc, write_cache, write_run
from tests.toys import NAMES, toy_split
from tests.trees import CLASSES, write_eurosat

OLD = ["--backbone", "mini-old", "--weights", "random:1", "--device", "cpu", "--dtype", "fp32"]
NEW = ["--backbone", "mini-new", "--weights", "random:2", "--device", "cpu", "--dtype", "fp32"]


@pytest.fixture
def names(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("\n".join(NAMES) + "\n\n")
    return str(file)


@pytest.fixture
def plugin(old, tmp_path):
    out = write_run(tmp_path / "output", context(old) | buffers(old, NAMES))
    return str(import_plugin(out, "coop", old, NAMES, template="a photo of a {}.").save(tmp_path / "p.safetensors"))


@pytest.fixture
def pictures(tmp_path):
    images = toy_split("test", 1).images
    for i, name in enumerate("abc"):
        images[i].save(tmp_path / f"{name}.png")
    return [str(tmp_path / f"{name}.png") for name in "abc"]


@pytest.fixture
def says(capsys):
    """What a command printed, once it succeeded."""

    def call(*arguments):
        code = main([str(a) for a in arguments])
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out.strip()

    return call


@pytest.fixture
def refused(capsys):
    def call(*arguments, words):
        assert main([str(a) for a in arguments]) == 1
        said = capsys.readouterr()
        (sentence,) = [line for line in said.err.splitlines() if line.startswith("clipcompat: ")]
        assert "Traceback" not in said.err and words in sentence, sentence
        assert said.out == ""

    return call


def test_a_checkpoint_becomes_a_plugin_file(old, names, says, tmp_path):
    out = write_run(tmp_path / "output", context(old) | buffers(old, NAMES), epoch=200)
    file = tmp_path / "deep" / "p.safetensors"
    arguments = ["--method", "coop", *OLD, "--classnames", names, "--dataset", "EuroSAT", "--shots", 16, "--seed", 2]
    assert says("import", out, *arguments, "--out", file) == str(file)
    plugin, expected = load_plugin(file), import_plugin(out, "coop", old, NAMES, dataset="eurosat", shots=16, seed=2)
    assert plugin.stamp == expected.stamp and plugin.origin == expected.origin and plugin.method == expected.method


def test_class_names_may_come_from_the_dataset(old, says, tmp_path):
    root = write_eurosat(tmp_path / "data", train=1, val=1, test=1)
    shown = [name.replace("_", " ") for name in CLASSES[:3]]
    out = write_run(tmp_path / "output", context(old) | buffers(old, shown))
    arguments = ["import", out, "--method", "coop", "--force", *OLD, "--dataset", "eurosat", "--root", root]
    for part, expected in (("all", shown), ("base", shown[:2]), ("new", shown[2:])):
        says(*arguments, "--classes", part, "--out", tmp_path / "p")
        origin = load_plugin(tmp_path / "p").origin
        assert origin["classnames"] == expected
        assert origin["dataset"] == ("eurosat" if part == "all" else f"eurosat[{part}]")
        assert origin["class_buffers"] == ("agree" if part == "all" else "differ")
    says(*arguments[:-4], "--dataset", "mini/textures", "--out", tmp_path / "p")
    assert load_plugin(tmp_path / "p").origin["dataset"] == "mini/textures"


def test_settings_a_checkpoint_cannot_tell_are_set(old, names, says, tmp_path):
    out = write_run(tmp_path / "output", adapter(old), "clip_adapter")
    write_cache(tmp_path / "cache", old)
    common = [*OLD, "--classnames", names, "--template", "a photo of a {}.", "--out", tmp_path / "p", "--force"]
    says("import", out, "--method", "clip_adapter", *common, "--set", "ratio=0.6")
    assert float(load_plugin(tmp_path / "p").tensors["ratio"]) == pytest.approx(0.6)
    says("import", tmp_path / "cache", "--method", "tip_adapter_f", *common, "--set", "alpha=2", "beta=5.5")
    assert float(load_plugin(tmp_path / "p").tensors["beta"]) == 5.5


def test_class_names_may_be_a_json_list(old, says, tmp_path):
    (tmp_path / "names.json").write_text(json.dumps(NAMES))
    out = write_run(tmp_path / "output", context(old))
    says("import", out, "--method", "coop", *OLD, "--classnames", tmp_path / "names.json", "--out", tmp_path / "p")
    assert load_plugin(tmp_path / "p").origin["classnames"] == list(NAMES)
    listed = ["--classnames", tmp_path / "names.json", "--dataset", "dtd", "--classes", "base"]
    says("import", out, "--method", "coop", *OLD, *listed, "--out", tmp_path / "p", "--force")
    assert load_plugin(tmp_path / "p").origin["dataset"] == "dtd[base]"


def test_export_writes_what_the_function_writes(old, plugin, says, tmp_path):
    file = tmp_path / "w.safetensors"
    assert says("export", plugin, *OLD, "--out", file) == str(file)
    expected = export_class_weights(load_plugin(plugin), old, tmp_path / "again")
    assert file.read_bytes() == expected.read_bytes()
    (tmp_path / "two.txt").write_text("wolf\ncrow\n")
    says("export", plugin, *NEW, "--classnames", tmp_path / "two.txt", "--out", file, "--force")
    assert load_file(file)["weights"].shape[0] == 2


def test_predict_names_each_picture_as_the_plugin_does(old, plugin, pictures, says, tmp_path):
    lines = says("predict", plugin, *OLD, *pictures, "--top", 2).splitlines()
    for picture, line in zip(pictures, lines, strict=True):
        path, _, ranked = line.rpartition(": ")
        assert path == picture and len(ranked.split(", ")) == 2
        for part, (name, share) in zip(ranked.split(", "), load_plugin(plugin).predict(old, picture), strict=False):
            assert part.rpartition(" ")[0] == name and abs(float(part.rpartition(" ")[2]) - share) < 2e-4
    (tmp_path / "two.txt").write_text("wolf\ncrow\n")
    line = says("predict", plugin, *NEW, pictures[0], "--classnames", tmp_path / "two.txt")
    assert "wolf" in line and "crow" in line and "owl" not in line


MATCH_OLD, MATCH_NEW = OLD[:4], NEW[:4]  # an architecture runs nowhere: no device, no dtype


@pytest.fixture
def incompatible(capsys):
    """What `match` printed, once it ended with the code for a plug-in that fits not."""

    def call(*arguments):
        assert main(["match", *map(str, arguments)]) == 1
        return capsys.readouterr().out.strip()

    return call


def test_match_says_exact_compatible_or_incompatible_and_why(old, plugin, says, incompatible, tmp_path):
    assert says("match", plugin, *MATCH_OLD).startswith("exact: it was tuned on this very backbone, mini-old")
    assert says("match", plugin, *MATCH_NEW).startswith("compatible: it was tuned on mini-old")
    other = says("match", plugin, "--backbone", "mini-old", "--weights", "random:3")
    assert other.startswith("compatible: it was tuned on mini-old with other weights")
    said = incompatible(plugin, "--backbone", "mini-large-old", "--weights", "random:1")
    assert said.startswith("incompatible: ") and "128" in said and "160" in said
    out = write_run(tmp_path / "csc", context(old, 2, classes=3))
    csc = import_plugin(out, "coop", old, NAMES).save(tmp_path / "csc.safetensors")
    (tmp_path / "two.txt").write_text("wolf\ncrow\n")
    assert incompatible(csc, *MATCH_NEW, "--classnames", tmp_path / "two.txt").startswith("incompatible: ")


def test_match_answers_for_many_plugins_and_its_code_tells_whether_all_fit(old, plugin, says, capsys, tmp_path):
    narrow = import_plugin(write_run(tmp_path / "n", context(old, 2)), "coop", old, NAMES).save(tmp_path / "narrow")
    (tmp_path / "none").write_bytes(b"no plug-in")
    both = says("match", plugin, narrow, *MATCH_NEW).splitlines()
    assert [line.partition(": ")[0] for line in both] == [plugin, str(narrow)]
    assert all(line.partition(": ")[2].startswith("compatible: ") for line in both)
    assert main(["match", plugin, str(tmp_path / "none"), str(narrow), *MATCH_NEW]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == both and "none is not a whole safetensors file" in said.err
    assert main(["match", str(narrow), plugin, "--backbone", "mini-large-old"]) == 1
    assert capsys.readouterr().out.count("incompatible: ") == 2


@pytest.mark.parametrize("name", ["mini-new", "EVA02-B-16", "ViT-B-16"])
def test_match_builds_no_backbone_of_another_name(plugin, monkeypatch, capsys, name):
    for loader in ("clipcompat.backbones.load.load_backbone", "clipcompat.backbones.mini.models.load_mini"):
        monkeypatch.setattr(loader, lambda *_, **__: pytest.fail("weights were loaded"))
    code = main(["match", plugin, "--backbone", name])  # not even --weights is needed
    assert (code, capsys.readouterr().out.partition(":")[0]) == (
        (0, "compatible") if "mini" in name else (1, "incompatible")
    )


def test_match_tells_without_weights_what_an_architecture_tells(plugin, says, old, monkeypatch):
    public = load_plugin(plugin)
    origin = {**public.origin, "backbone": {"name": "ViT-B-16", "stamp": "x"}}
    wide = replace(public, tensors={"ctx": torch.zeros(4, 512)}, origin=origin).save(plugin, force=True)
    assert says("match", wide, "--backbone", "ViT-B/16").endswith("name the weights to compare them.")
    assert says("match", wide, "--backbone", "EVA02-B-16").startswith("compatible: it was tuned on ViT-B-16; ")


def test_match_answers_incompatible_for_a_model_that_takes_no_plugin_at_all(plugin, incompatible):
    said = incompatible(plugin, plugin, "--backbone", "ViT-B-16-SigLIP").splitlines()
    assert len(said) == 2 and all(
        "incompatible: no plug-in can be carried to or from ViT-B-16-SigLIP" in s for s in said
    )


def test_paths_lists_what_can_be_carried_where(says, monkeypatch):
    pairs = [("EVA02-B-16", "merged2b_s8b_b131k"), ("RN50-quickgelu", "openai"), ("coca_ViT-B-32", "laion2b_s13b_b90k")]
    monkeypatch.setattr("open_clip.list_pretrained", lambda: pairs)
    monkeypatch.setattr("clipcompat.plugins.paths.published_weights", published_weights.__wrapped__)
    eva, resnet, coca = says("paths", "ViT-B-16-quickgelu", "--method", "coop", "linear_probe").splitlines()
    assert (eva, resnet) == ("EVA02-B-16:merged2b_s8b_b131k: all", "RN50-quickgelu:openai: coop")
    assert coca.startswith("coca_ViT-B-32:laion2b_s13b_b90k: incompatible: ") and "captions" in coca
    eva, resnet, _ = says("paths", "ViT-L-14", "--method", "coop").splitlines()
    assert "512" in eva and resnet.startswith("RN50-quickgelu:openai: incompatible: coop cannot act on RN50-quickgelu")
    assert main(["paths", "ViT-B-16", "--method", "cop"]) == 1


def test_match_takes_no_flag_that_would_have_no_effect(plugin):
    with pytest.raises(SystemExit) as caught:
        main(["match", plugin, *OLD])
    assert caught.value.code == 2


def test_an_import_that_warns_says_so_on_stderr(old, plugin, names, says, tmp_path, caplog):
    out = write_run(tmp_path / "csc", context(old) | buffers(old, NAMES[::-1]))
    with caplog.at_level(logging.WARNING):
        says("import", out, "--method", "coop", *OLD, "--classnames", names, "--out", tmp_path / "p")
    assert "class buffers" in caplog.text


def test_files_that_need_others_are_imported_after_them(old, names, says, refused, tmp_path):
    wide = load_backbone("mini-large-old", "random:3", device="cpu", dtype="fp32")
    files = {name: tmp_path / f"{name}.safetensors" for name in ("teacher", "student", "dual")}
    whole = {"folder": "VLPromptLearner", "dtype": torch.float32}
    text = {n: t for n, t in promptsrc(wide)[0].items() if not n.startswith("image_encoder")}
    runs = [promptsrc(wide)[0], promptkd(old, 160)[0], promptkd(old, 160)[0] | text]
    runs = dict(zip(files, (write_run(tmp_path / str(i), state, **whole) for i, state in enumerate(runs)), strict=True))
    of_wide = ["--backbone", "mini-large-old", "--weights", "random:3", "--device", "cpu", "--dtype", "fp32"]
    named, by = ["--classnames", names], ["--teacher", files["teacher"], "--teacher-backbone", "mini-large-old"]
    taught = [*by, "--teacher-weights", "random:3"]
    says("import", runs["teacher"], "--method", "promptsrc", *of_wide, *named, "--out", files["teacher"])
    says("import", runs["student"], "--method", "promptkd", *OLD, *named, *taught, "--out", files["student"])
    stage_2 = [*OLD, *named, *taught, "--init", files["student"]]
    says("import", runs["dual"], "--method", "dpc", *stage_2, "--set", "preset=released", "--out", files["dual"])
    student, dual = load_plugin(files["student"]), load_plugin(files["dual"])
    assert dual.method.learner == student.method and dual.origin["init"] == student.stamp
    assert dual.origin["teacher"]["stamp"] == load_plugin(files["teacher"]).stamp
    for given, words in (
        (["--teacher", files["teacher"]], "give both --teacher and --teacher-backbone"),
        (["--teacher", files["teacher"], "--teacher-backbone", "ViT-B-32"], "ViT-B-32 needs --teacher-weights"),
    ):
        refused("import", runs["student"], "--method", "promptkd", *OLD, *named, *given, "--out", "x", words=words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('["red fox", 5, "owl"]', "entry 1 of the list is 5, which is no class name"),
        ('["red fox", "", "owl"]', "entry 1 of the list is ''"),
        ('["red fox", ["owl"]]', "entry 1 of the list is ['owl']"),
        ('{\n "0": "red fox",\n "1": "owl"\n}', "holds a JSON object, whose order tells no label"),
        ('["red fox", "owl"', "cannot be read"),
        ("\n \n", "holds no class names"),
        ("red fox\n\nowl\n", "line 2 is empty, which is no class name"),
    ],
)
def test_a_list_of_class_names_that_would_shift_labels_is_refused(old, refused, tmp_path, content, words):
    out = write_run(tmp_path / "output", context(old))
    (tmp_path / "n.json").write_text(content)
    given = ["--classnames", tmp_path / "n.json", "--out", tmp_path / "p.safetensors"]
    refused("import", out, "--method", "coop", *OLD, *given, words=words)
    assert not (tmp_path / "p.safetensors").exists()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n \n"])
def test_only_a_new_line_divides_class_names_and_empty_ones_at_the_end_are_none(tmp_path, end):
    (tmp_path / "n.txt").write_bytes(f"red\u2028fox\nowl\x85{end}".encode())
    assert _classnames(tmp_path / "n.txt") == ["red\u2028fox", "owl"]


def test_imports_that_cannot_be_are_a_sentence_and_leave_no_file(old, names, refused, tmp_path):
    out, file = write_run(tmp_path / "output", context(old)), tmp_path / "p.safetensors"
    common = [*OLD, "--out", file]
    torch.save({"state_dict": {"ctx": Bomb(tmp_path / "canary")}}, tmp_path / "bomb")
    named = ["--classnames", names]
    for arguments, words in [
        ([out, "--method", "coopp", *named], "Did you mean 'coop'?"),
        ([out, "--method", "coop"], "give --dataset with --root, or --classnames FILE"),
        ([out, "--method", "coop", "--dataset", "eurosat"], "--root"),
        ([out, "--method", "coop", "--classes", "half", *named], "unknown classes 'half'"),
        ([out, "--method", "coop", "--set", "position=middle", *named], "n_ctx=16"),
        ([out, "--method", "coop", "--classnames", "none.txt"], "none.txt cannot be read"),
        ([out, "--method", "cocoop", *named], "lacks meta_net.linear1.weight"),
        ([tmp_path / "none", "--method", "coop", *named], "no file or folder"),
        ([tmp_path / "bomb", "--method", "coop", *named], "nothing of it was run"),
        ([out, "--method", "coop", "--shots", 0, *named], "shots must be"),
    ]:
        refused("import", *arguments, *common, words=words)
    assert not file.exists() and not (tmp_path / "canary").exists()


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[1, 2]", b'["a"', b"[]", b"\xff\xfe\x00"])
def test_a_file_of_class_names_that_is_none_is_a_sentence(plugin, refused, tmp_path, content):
    (tmp_path / "names").write_bytes(content)
    refused("match", plugin, *MATCH_OLD, "--classnames", tmp_path / "names", words="names")


def test_uses_that_cannot_be_are_a_sentence(old, plugin, pictures, refused, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    bare = ["--backbone", "ViT-B-32"]
    write_cache(tmp_path / "cache", old)
    tip = import_plugin(tmp_path / "cache", "tip_adapter", old, NAMES, template="a {}.").save(
        tmp_path / "t.safetensors"
    )
    for arguments, words in [
        (["predict", "none.safetensors", *OLD, pictures[0]], "there is no plug-in file"),
        (["predict", plugin, *OLD, "none.png"], "none.png cannot be read"),
        (["predict", plugin, *OLD, tmp_path / "broken.png"], "cannot be decoded"),
        (["predict", plugin, *OLD, pictures[0], "--top", 0], "--top must be at least 1"),
        (["predict", plugin, *bare, pictures[0]], "ViT-B-32 needs --weights"),
        (["match", plugin, "--backbone", "mini-odd"], "unknown mini backbone 'mini-odd'"),
        (["match", pictures[0], *MATCH_OLD], "not a whole safetensors file"),
        (["export", tip, *OLD, "--out", tmp_path / "w"], "tip_adapter has no class weights"),
        (["export", plugin, *OLD, "--out", tmp_path / "broken.png" / "w"], "could not write"),
    ]:
        refused(*arguments, words=words)


def test_plugins_without_a_template_predict_too(old, pictures, says, tmp_path):
    out = write_run(tmp_path / "output", context(old))
    plugin = import_plugin(out, "coop", old, NAMES)
    assert plugin.origin["template"] is None
    assert NAMES[0] in says("predict", plugin.save(tmp_path / "q.safetensors"), *OLD, pictures[0])


def test_what_is_exported_classifies_what_was_predicted(old, plugin, pictures, says, tmp_path):
    says("export", plugin, *OLD, "--out", tmp_path / "w")
    pixels = torch.stack([old.preprocess.test(Image.open(p)) for p in pictures])
    best = np.argmax(old.encode_image(pixels).numpy() @ load_file(tmp_path / "w")["weights"].T, -1)
    lines = says("predict", plugin, *OLD, *pictures, "--top", 1).splitlines()
    assert [line.rpartition(": ")[2].rpartition(" ")[0] for line in lines] == [NAMES[i] for i in best]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_no_verb_writes_onto_one_of_its_inputs(old, plugin, names, refused, tmp_path, force):
    out = write_run(tmp_path / "official", context(old))
    checkpoint = next(out.rglob("model.pth.tar-*"))
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"weights")
    before = {file: file.read_bytes() for file in map(type(tmp_path), (plugin, names, checkpoint, weights))}
    read = ["import", out, "--method", "coop", "--backbone", "mini-old", "--weights", weights, "--classnames", names]
    for arguments in (
        ["export", plugin, *OLD, "--out", plugin],
        ["export", plugin, *OLD, "--classnames", names, "--out", names],
        [*read, "--out", checkpoint],
        [*read, "--out", weights],
        [*read, "--out", names],
    ):
        refused(*arguments, *force, words="is read here")
    assert all(file.read_bytes() == content for file, content in before.items())


def test_another_file_is_overwritten_with_force_only(old, plugin, names, says, refused, tmp_path):
    out, file = write_run(tmp_path / "official", context(old)), tmp_path / "mine"
    for arguments in (
        ["export", plugin, *OLD, "--out", file],
        ["import", out, "--method", "coop", *OLD, "--classnames", names, "--out", file],
    ):
        file.write_text("mine")
        refused(*arguments, words="exists and would be lost")
        assert file.read_text() == "mine"
        says(*arguments, "--force")
        assert file.read_bytes() != b"mine"

"""Where to fetch the public data sets, and what to do if one cannot be fetched.

Every address and checksum was read in a public source, named beside it:

    CoOp      KaiyangZhou/CoOp @ ff61507c, DATASETS.md
    CMA       linzhiqiu/cross_modal_adaptation @ ac9077ee (MIT), DATASETS.md, which hands out the split files of
              splits/; their checksums are the names that this commit's git tree gives them
    torchvision 0.29, torchvision/datasets/<data set>.py
    TFDS      tensorflow/datasets, url_checksums/<data set>.txt and datasets/imagenet_v2/checksums.tsv
    PromptKD  zhengli97/PromptKD @ ec244f78, docs/DATASETS.md, which names the model page of prompt_learning_dataset;
              checksums from that page's file details
    stable-datasets, its SUN397 builder: a copy of the original archive, under the original's checksum
"""

from dataclasses import dataclass, field

_CMA = (
    "https://raw.githubusercontent.com/linzhiqiu/cross_modal_adaptation/ac9077ee4e422f768c9b9109551468605e33ec9a/splits"
)
_VGG = "https://www.robots.ox.ac.uk/~vgg/data"
_PROMPTKD = "https://huggingface.co/zhengli97/prompt_learning_dataset/resolve/ceb3112337fb6e1bf71534e355ca5569b63f19a6"


@dataclass(frozen=True)
class Archive:
    """One file to fetch.

    file: its name under `downloads/`. url: "" if it must be put there by hand. checksum: see `download.verify`.
    keep: what to unpack, and its place under the data set's folder (see `archives.unpack`). If empty, the file itself
        goes into the folder. inner: the archive inside this one that `keep` is about.
    """

    file: str
    url: str
    checksum: str
    keep: dict[str, str] = field(default_factory=dict)
    inner: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """What this brings, under the data set's folder."""
        return tuple(self.keep.values()) or (self.file,)


@dataclass(frozen=True)
class Source:
    """How one data set is fetched.

    pictures: archives of the pictures (FGVC's lists too). split: the published split file, if there is one.
    lists: official lists for an own split. size: of the pictures' archives, as published.
    by_hand: why the pictures cannot be fetched, and the steps instead; {root}, {folder} and {downloads} are filled in.
    asked_for: folders that no archive here brings.
    """

    pictures: tuple[Archive, ...] = ()
    split: Archive | None = None
    lists: tuple[Archive, ...] = ()
    size: str = ""
    by_hand: str = ""
    asked_for: tuple[str, ...] = ()


def _split(name: str, git: str) -> Archive:
    return Archive(f"split_zhou_{name}.json", f"{_CMA}/split_zhou_{name}.json", f"git:{git}")  # CMA


SOURCES = {
    "imagenet": Source(asked_for=("images/train", "images/val"), by_hand="""\
its terms forbid passing the pictures on, so you have to ask for them yourself:
  1. Ask for access on https://image-net.org, make the folder {folder}/images and download into it, from ILSVRC 2012,
     ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz.
  2. Unpack them into one folder per class, in train/ and val/, with torchvision:
     python -c "from torchvision.datasets import ImageNet as I; [I('{folder}/images', s) for s in ('train', 'val')]"
  3. Verify it: clipcompat data check imagenet --root {root}
The class names are in {folder}/classnames.txt already."""),
    "caltech101": Source(
        (Archive("caltech-101.zip", "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                 "md5:3138e1922a9193bfa496528edbbc45d0",  # torchvision; CoOp's own address is gone
                 {"101_ObjectCategories": "101_ObjectCategories"}, "101_ObjectCategories.tar.gz"),),
        _split("Caltech101", "8be694a80de04a39fb159c462bea9696aa47ccf1"), size="0.13 GB"),
    "oxford_pets": Source(
        (Archive("pets-images.tar.gz", f"{_VGG}/pets/data/images.tar.gz",
                 "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c", {"images": "images"}),),  # torchvision, CoOp
        _split("OxfordPets", "fa821d9f9e7d32fdf3640bf74fa7491ed04f37da"),
        (Archive("pets-annotations.tar.gz", f"{_VGG}/pets/data/annotations.tar.gz",
                 "md5:95a8c909bbe2e81eed6a22bccdf3f68f", {"annotations": "annotations"}),),  # torchvision, CoOp
        size="0.79 GB"),
    "stanford_cars": Source(
        (Archive("cars_train.tgz", "", "sha256:512b227b30e2f0a8aab9e09485786ab4479582073a144998da74d64b801fd288",
                 {"cars_train": "cars_train"}),  # TFDS cars196.txt
         Archive("cars_test.tgz", "", "sha256:bffea656d6f425cba3c91c6d83336e4c5f86c6cffd8975b0f375d3a10da8e243",
                 {"cars_test": "cars_test"})),
        _split("StanfordCars", "dcdb8264712e9940e74cfb0f06ddb8f9cc239b81"), size="2.0 GB", by_hand="""\
its official address is gone (HTTP 404; pytorch/vision, issue 7545), and no copy with a published checksum is known:
  1. Take a copy: stanford_cars.zip of https://huggingface.co/zhengli97/prompt_learning_dataset (the page that
     PromptKD's DATASETS.md names), or the one named in that issue,
     https://www.kaggle.com/datasets/jessicali9530/stanford-cars-dataset.
  2. Put its pictures where {folder}/cars_train/00001.jpg and {folder}/cars_test/00001.jpg are some of them.
     If you have the original cars_train.tgz and cars_test.tgz, put them into {downloads} instead.
  3. Verify it: clipcompat data check stanford_cars --root {root}
The same command fetches the published split, unless an own one is asked for."""),
    "oxford_flowers": Source(
        (Archive("102flowers.tgz", f"{_VGG}/flowers/102/102flowers.tgz",
                 "md5:52808999861908f626f3c1f4e79d11fa", {"jpg": "jpg"}),),  # torchvision, CoOp
        _split("OxfordFlowers", "8d10037b0690b6c65e307a354b039efb0f42404c"),
        (Archive("imagelabels.mat", f"{_VGG}/flowers/102/imagelabels.mat",
                 "md5:e0620be6f572b9609742df49c70aed4d"),  # torchvision, CoOp
         Archive("cat_to_name.json", f"{_CMA}/cat_to_name.json",
                 "git:6c12bd26e1ab450b70e6e5e76aa1885591ec038e")),  # CMA
        size="0.34 GB"),
    "food101": Source(
        (Archive("food-101.tar.gz", "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                 "sha256:d97d15e438b7f4498f96086a4f7e2fa42a32f2712e87d3295441b2b6314053a4",  # torchvision; TFDS
                 {"food-101/images": "images"}),),
        _split("Food101", "39557040ee6501bd32aa8b5dfd75f7941a32f0a7"), size="5.0 GB"),
    "fgvc_aircraft": Source(
        (Archive("fgvc-aircraft-2013b.tar.gz", f"{_VGG}/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
                 "sha256:d5f68b1b81d6d7831eb9d5c5517074176b5dfbce6bcb43dc14ed1c66a87b8d75",  # torchvision; TFDS
                 {f"fgvc-aircraft-2013b/data/{name}": name for name in
                  ("images", "variants.txt", *(f"images_variant_{part}.txt" for part in ("train", "val", "test")))}),),
        size="2.8 GB"),
    "sun397": Source(
        (Archive("SUN397.tar.gz", "https://huggingface.co/zhengli97/SUN397_Dataset/resolve/main/SUN397.tar.gz",
                 "md5:8ca2778205c41d23104230ba66911c7a", {"SUN397": "SUN397"}),),  # stable-datasets; torchvision's md5.
        # The official address answers 404 (pytorch/vision, issue 9348).
        _split("SUN397", "8d5725db8f70bcf02245665304f863e68f96a24c"),
        (Archive("Partitions.zip", "https://3dvision.princeton.edu/projects/2010/SUN/download/Partitions.zip",
                 "md5:29a205c0a0129d21f36cbecfefe81881",  # stable-datasets
                 {name: name for name in ("ClassName.txt", "Training_01.txt", "Testing_01.txt")}),), size="37 GB"),
    "dtd": Source(
        (Archive("dtd-r1.0.1.tar.gz", f"{_VGG}/dtd/download/dtd-r1.0.1.tar.gz",
                 "md5:fff73e5086ae6bdbea199a49dfb8a4c1", {"dtd/images": "images"}),),  # torchvision, CoOp
        _split("DescribableTextures", "8dd197a94b598fa44ee3c9e35c486dd017ab00a7"), size="0.63 GB"),
    "eurosat": Source(
        (Archive("EuroSAT.zip", "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
                 "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
                 "md5:c8fa014336c82ac7804f0398fcb19387", {"2750": "2750"}),),  # torchvision
        _split("EuroSAT", "6bdc847a5d5c49dcc78e8cb8707b87198cbfa5a4"), size="0.09 GB"),
    "ucf101": Source(
        (Archive("ucf101.zip", f"{_PROMPTKD}/ucf101.zip",
                 "sha256:2fe1bd40e64408d02ff173badf744da557033ae6c75dd4ea51519366551f3ae6",  # PromptKD
                 {"UCF-101-midframes": "UCF-101-midframes"}),),  # CoOp's own is on Google Drive, behind a page
        _split("UCF101", "ea87e3de7b4f6f00fdd77618e34a23508b4c5590"),
        (Archive("UCF101TrainTestSplits-RecognitionTask.zip",
                 "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
                 "sha256:5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",  # TFDS, torchvision
                 {"ucfTrainTestlist": "ucfTrainTestlist"}),), size="0.14 GB"),
    "imagenetv2": Source(
        (Archive("imagenetv2-matched-frequency.tar.gz",
                 "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/imagenetv2-matched-frequency.tar.gz",
                 "sha256:f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",  # TFDS
                 {"imagenetv2-matched-frequency-format-val": "imagenetv2-matched-frequency-format-val"}),),
        size="1.3 GB"),
    "imagenet_sketch": Source(
        (Archive("imagenet-sketch.zip", f"{_PROMPTKD}/imagenet-sketch.zip",
                 "sha256:8f93bc6064cf9d984a64b46925b7f53ab573224ca1c38a404d767b3565e3863f",  # PromptKD
                 {"images": "images"}),), size="7.6 GB"),
    "imagenet_a": Source(
        (Archive("imagenet-a.tar", "https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
                 "sha256:3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e",  # TFDS, CMA
                 {"imagenet-a": "imagenet-a"}),), size="0.69 GB"),
    "imagenet_r": Source(
        (Archive("imagenet-r.tar", "https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
                 "sha256:18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52",  # TFDS, CMA
                 {"imagenet-r": "imagenet-r"}),), size="2.2 GB"),
}  # fmt: skip  # addresses beside their checksums and sources
"""By the names of `layout.LAYOUTS`. ImageNet and its shifted sets need class names too; see `imagenet_names`."""

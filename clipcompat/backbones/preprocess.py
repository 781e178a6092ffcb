"""From a picture to pixels: the train and test transforms that every method shares.

Both transforms return uint8: pixels can be cached, cost a quarter to send to a device, and one pass over the files can
feed two backbones. The backbone scales and normalises them (`Preprocess.normalise`).

Source: Dassl transforms.py (KaiyangZhou/Dassl.pytorch) with CoOp's configs: random resized crop of scale 0.08–1 and
aspect 3/4–4/3, bicubic, flip with probability 1/2; test: shorter side to `size`, bicubic, centre crop. As in Dassl,
pictures are converted to RGB first (OpenAI and open_clip convert after the crop; see `to_rgb`)
and EXIF rotation is ignored, unless `ImageFiles` is asked for upright pictures.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clipcompat.data.pictures.rgb import to_rgb

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)

_LONGEST = 64  # times its width; a longer picture is cropped before it is resized


@dataclass(frozen=True)
class Preprocess:
    """The pixels that a backbone was trained on.

    size: side of the square picture, pixels. mean, std: per RGB channel, of values in 0 … 1.
    min_crop: the least share of the area that a random crop covers; 0 leaves a method's own range unchanged. (The mini
        backbones need it: 8 % of a 32-pixel picture shows nothing.)
    """

    size: int
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    min_crop: float = 0.0

    def test(self, image: Image.Image) -> Tensor:
        """A picture -> uint8 [3, size, size]: shorter side to `size` (bicubic), then the centre square."""
        image = to_rgb(image)
        width, height = image.size
        short = min(width, height)
        if max(width, height) > _LONGEST * short and short != self.size:
            return _to_tensor(self._centre_of_long(image))
        if short != self.size:
            # int(), not round(): what torchvision does for the longer side
            width, height = int(self.size * width / short), int(self.size * height / short)
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        return _to_tensor(image.crop((left, top, left + self.size, top + self.size)))

    def _centre_of_long(self, image: Image.Image) -> Image.Image:
        """The centre square of a picture much longer than wide, cropped first: resized, it could fill the memory.

        Resampled as the whole picture would be, from a box in fractions of a pixel. Values differ by rounding from
        those of resizing first: PIL holds the box in 32 bits, and may take rows and columns in the other order.
        """
        short, long = sorted(image.size)
        resized = int(self.size * long / short)
        step = long / resized  # pixels of the picture per pixel of the result
        start = round((resized - self.size) / 2) * step
        end = start + self.size * step
        margin = math.ceil(2 * max(step, 1)) + 1  # bicubic looks two pixels, or two steps, beyond its centre
        first, last = max(math.floor(start) - margin, 0), min(math.ceil(end) + margin, long)
        if image.width == long:
            image, box = image.crop((first, 0, last, short)), (start - first, 0, end - first, short)
        else:
            image, box = image.crop((0, first, short, last)), (0, start - first, short, end - first)
        return image.resize((self.size, self.size), Image.Resampling.BICUBIC, box)

    def train(self, image: Image.Image, generator: torch.Generator, scale: tuple[float, float] = (0.08, 1.0)) -> Tensor:
        """A picture -> uint8 [3, size, size]: one random crop and flip drawn from `generator`."""
        image = to_rgb(image)
        left, top, width, height = _random_box(*image.size, self.crop_range(scale), generator)
        image = image.crop((left, top, left + width, top + height))
        image = image.resize((self.size, self.size), Image.Resampling.BICUBIC)
        if torch.rand(1, generator=generator).item() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return _to_tensor(image)

    def crop_range(self, scale: tuple[float, float]) -> tuple[float, float]:
        """Smallest and largest share of the area that random crops of a method's range take here."""
        return max(scale[0], self.min_crop), max(scale[1], self.min_crop)

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 [..., 3, h, w] -> float32 of the same shape: scaled to 0 … 1, minus mean, divided by std."""
        mean = torch.tensor(self.mean, device=pixels.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=pixels.device).view(3, 1, 1)
        return (pixels.float() / 255 - mean) / std


def _random_box(width: int, height: int, scale, generator: torch.Generator) -> tuple[int, int, int, int]:
    """The crop of torchvision's RandomResizedCrop, with the same draws: left, top, width, height."""
    area = width * height
    log_low, log_high = torch.log(torch.tensor([3 / 4, 4 / 3])).tolist()
    for _ in range(10):
        target = area * torch.empty(1).uniform_(*scale, generator=generator).item()
        aspect = torch.exp(torch.empty(1).uniform_(log_low, log_high, generator=generator)).item()
        w, h = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
        if 0 < w <= width and 0 < h <= height:
            top = int(torch.randint(0, height - h + 1, (1,), generator=generator))
            left = int(torch.randint(0, width - w + 1, (1,), generator=generator))
            return left, top, w, h
    # ten misses (very long pictures): the largest centred box of an allowed aspect
    w, h = width, height
    if width / height < 3 / 4:
        h = round(width / (3 / 4))
    elif width / height > 4 / 3:
        w = round(height * (4 / 3))
    return (width - w) // 2, (height - h) // 2, w, h


def _to_tensor(image: Image.Image) -> Tensor:
    """[h, w, 3] -> [3, h, w], uint8."""
    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).contiguous()

from typing import Any, Iterable, Literal, Optional, Sequence, Tuple, Union

import numpy as np
import numpy.typing as npt

class Click:
    @property
    def kind(self) -> Literal["fg", "bg"]: ...
    @property
    def at(self) -> Tuple[int, int, int]: ...

class Prompt:
    @property
    def kind(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def boxes(self) -> Optional[npt.NDArray[Any]]: ...
    @property
    def clicks(self) -> Optional[npt.NDArray[Any]]: ...
    @property
    def clicks_order(self) -> Optional[npt.NDArray[Any]]: ...
    @property
    def previous(self) -> Optional[npt.NDArray[np.uint8]]: ...
    @property
    def new_clicks(self) -> dict[int, Optional[Click]]: ...
    @property
    def text(self) -> Optional[dict[str, Any]]: ...

class Session:
    def __init__(
        self,
        gts: npt.ArrayLike,
        spacing: Sequence[float],
        boxes: Union[None, str, Sequence[dict[str, int]]] = None,
        clicks: int = 5,
        track: str = "cvpr25-interactive",
        *,
        tolerance_mm: float = 2.0,
        policy: str = "challenge",
        seed: int = 42,
        sigma_mm: float = 2.0,
        text_prompts: Optional[dict[str, Any]] = None,
        case: str = "case",
    ) -> None: ...
    def __iter__(self) -> Session: ...
    def __next__(self) -> Prompt: ...
    def answer(self, pred: npt.ArrayLike) -> dict[str, Optional[float]]: ...
    @property
    def scores(self) -> dict[str, Any]: ...
    @property
    def record(self) -> dict[str, Any]: ...
    @property
    def labels(self) -> list[int]: ...

def next_clicks(
    gts: npt.ArrayLike,
    pred: npt.ArrayLike,
    labels: Optional[Iterable[int]] = None,
    policy: str = "challenge",
    seed: int = 42,
    *,
    sigma_mm: float = 2.0,
    spacing: Optional[Sequence[float]] = None,
) -> dict[int, Optional[Click]]: ...
def next_clicks_batch(
    gts: npt.ArrayLike,
    pred: npt.ArrayLike,
    labels: Optional[Iterable[int]] = None,
    policy: str = "challenge",
    seed: int = 42,
    *,
    sigma_mm: float = 2.0,
    spacing: Optional[Sequence[float]] = None,
) -> list[dict[int, Optional[Click]]]: ...
def dsc(
    gts: npt.ArrayLike, pred: npt.ArrayLike, labels: Optional[Iterable[int]] = None
) -> dict[int, float]: ...
def dsc_batch(
    gts: npt.ArrayLike, pred: npt.ArrayLike, labels: Optional[Iterable[int]] = None
) -> list[dict[int, float]]: ...
def nsd(
    gts: npt.ArrayLike,
    pred: npt.ArrayLike,
    spacing: Sequence[float],
    tolerance_mm: float = 2.0,
    labels: Optional[Iterable[int]] = None,
) -> dict[int, float]: ...
def nsd_batch(
    gts: npt.ArrayLike,
    pred: npt.ArrayLike,
    spacing: Sequence[float],
    tolerance_mm: float = 2.0,
    labels: Optional[Iterable[int]] = None,
) -> list[dict[int, float]]: ...
def largest_component(mask: npt.ArrayLike) -> npt.NDArray[np.bool_]: ...
def largest_component_batch(mask: npt.ArrayLike) -> npt.NDArray[np.bool_]: ...
def distance_transform(
    mask: npt.ArrayLike, outside: str = "nothing"
) -> npt.NDArray[np.float64]: ...
def distance_transform_batch(
    mask: npt.ArrayLike, outside: str = "nothing"
) -> npt.NDArray[np.float64]: ...
def instances(gts: npt.ArrayLike, pred: npt.ArrayLike) -> dict[str, Any]: ...
def instances_batch(gts: npt.ArrayLike, pred: npt.ArrayLike) -> list[dict[str, Any]]: ...

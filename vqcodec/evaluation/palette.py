"""A colour map for amounts: lighter is always more."""

import numpy as np

# Dark blue, violet, orange, pale yellow: distinct for colour-blind readers, too.
_ANCHORS = np.array([[3, 5, 28], [87, 16, 110], [213, 72, 66], [251, 176, 45], [252, 255, 210]])

PALETTE = (  # 256 colours, in Pillow's format
    np.rint(
        [np.interp(np.linspace(0, 4, 256), np.arange(5), channel) for channel in _ANCHORS.T],
    )
    .astype(np.uint8)
    .T.tobytes()
)

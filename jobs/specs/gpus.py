"""How fast GPUs are, by the name that their driver gives."""

import re

PEAKS: dict[str, float] = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H800": 989e12,
    "H20": 148e12,
    "A100": 312e12,
    "A800": 312e12,
    "A40": 149.7e12,
    "A30": 165e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 6000 Ada": 364e12,
    "RTX A6000": 154.8e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}
"""Dense bf16 operations a second with float32 sums, from NVIDIA's data sheets; the first name that is part
of the device's counts. A device that is not here has no figure."""


def peak_of(device_name: str) -> float | None:
    """Peak bf16 operations a second of a GPU, by its driver's name or a device's label; None for one that the
    table does not know."""
    words = re.split(r"[\s,-]+", device_name)
    if "Laptop" in words:
        return None  # the same name, another chip
    for name, peak in PEAKS.items():
        wanted = name.split()
        if any(words[i : i + len(wanted)] == wanted for i in range(len(words))):
            return peak
    return None

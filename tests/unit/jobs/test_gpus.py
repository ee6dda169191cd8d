"""GPUs by their names."""

import pytest

from jobs.specs.gpus import peak_of


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L4, 22 GiB (GPU-0a1b2c3d)", 121e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA GeForce GTX 1080", None),
        ("AMD Instinct MI300X", None),
    ],
)
def test_the_peak_of_a_device_is_known_by_its_name_or_not_at_all(device, peak):
    assert peak_of(device) == peak

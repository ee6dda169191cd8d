"""The database: tables, transactions, and the one way to move a job."""

from backend.store.engine import DamagedDatabase, Store
from backend.store.transitions import FRESH, lease_devices, move, release_devices

__all__ = ["FRESH", "DamagedDatabase", "Store", "lease_devices", "move", "release_devices"]

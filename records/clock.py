"""Beside every stage, records.clock: where days and nights begin."""

from zoneinfo import ZoneInfo

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

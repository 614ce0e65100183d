from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from engine.uuid7 import uuid7

TIMES = st.integers(0, (1 << 48) * 1_000_000 - 1)


@given(TIMES)
def test_it_is_a_uuid_of_version_7_with_its_time(nanoseconds):
    made = UUID(uuid7(nanoseconds))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == nanoseconds // 1_000_000


@given(TIMES, st.integers(250, 10**12))
def test_a_later_one_sorts_after(nanoseconds, step):
    assert (
        uuid7(nanoseconds) < uuid7(min(nanoseconds + step, (1 << 48) * 1_000_000 - 1))
        or nanoseconds + step >= (1 << 48) * 1_000_000 - 250
    )


def test_they_differ_within_a_moment():
    assert len({uuid7(1) for _ in range(100)}) == 100


def test_it_is_now_unless_told():
    first = uuid7()
    assert UUID(first).int >> 80 > 1_700_000_000_000

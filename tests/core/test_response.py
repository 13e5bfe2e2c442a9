"""Responses and what is none."""

from __future__ import annotations

import pytest

from nfvcert.errors import LabError
from nfvcert.measure.response import response_to


def test_an_answer() -> None:
    response = response_to(divmod, 7, 2)
    assert (response.answer, response.trouble) == ((3, 1), "")
    assert 0 <= response.seconds < 1


def test_what_a_client_raises_is_no_answer() -> None:
    response = response_to(divmod, 7, 0)
    assert response.answer is None
    assert response.trouble.startswith("ZeroDivisionError: ")


def test_a_broken_way_is_nobodys_answer() -> None:
    def request() -> None:
        raise LabError("the tunnel is down", what="cloud")

    with pytest.raises(LabError, match="tunnel"):
        response_to(request)

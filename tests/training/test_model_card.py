"""What a network's card says of its data."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from lvef.training.model_card import network_terms

pytestmark = pytest.mark.training


@pytest.mark.parametrize(
    ("of_data", "of_network"),
    [
        (["Apache-2.0", "CC-BY-NC-SA-4.0"], "CC-BY-NC-SA-4.0"),
        (["Apache-2.0"], "Apache-2.0"),
        (["CC-BY-NC-SA-4.0", "own"], "CC-BY-NC-SA-4.0 and own"),
        ([], ""),
    ],
)
def test_a_network_carries_the_terms_that_its_data_ask_for(of_data, of_network):
    assert network_terms(of_data) == of_network

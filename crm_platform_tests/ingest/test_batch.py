"""Rows on their way into the warehouse."""

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st

from crm_platform.ingest.batch import region_of

CALLING_CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)).map(str)
NUMBERS = st.tuples(
    st.sampled_from(["", "+"]), CALLING_CODES | st.just("0"), st.text("0123456789", max_size=14) | st.just(" x")
)


@given(NUMBERS.map("".join))
def test_a_region_is_what_the_whole_number_says(number):
    try:
        whole = phonenumbers.parse(f"+{number.removeprefix('+')}", None)
        region = phonenumbers.region_code_for_number(whole)
    except phonenumbers.NumberParseException:
        region = None
    assert region_of(number) == (region if region and region.isalpha() else None)

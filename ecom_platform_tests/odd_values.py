"""Values that no shop should have and every shop meets, for each kind of column.

Each is put into one row of one day; `test_odd_values.py` says what may come of it.
"""

from __future__ import annotations

from hypothesis import strategies as st

_DIGITS = st.integers(1, 200).flatmap(
    lambda count: st.text("0123456789", min_size=count, max_size=count)
)
_SIGNS = st.sampled_from(("", "-", "+", "--", "\u2212", "("))
_EXPONENTS = st.sampled_from(("", "e5", "E+99", "e-99", "e999", "e", "e1000000000"))
_DECIMALS = st.sampled_from(
    ("", ".", ".5", ".005", ".99", ".994999999999999999999", "." + "9" * 99)
)

#: Numbers of any size and form, and words for none.
NUMBER_TEXTS = st.one_of(
    st.builds("{}{}{}{}".format, _SIGNS, _DIGITS, _DECIMALS, _EXPONENTS),
    st.sampled_from(
        (
            "NaN", "nan", "-NaN", "Infinity", "-inf", "1_000", "1,000.00", "1.000,00", "1 000.00",
            "1\u00a0000", "١٢٣", "\uff11\uff12", "0x1F", "1e", ".", "", " ", "12 EUR", "\t7\n",
            "-0", "+.5",
            "99999999999999995", "9999999999999999.99", "-9999999999999999.99", "9" * 27,
            "9" * 5000, "0." + "0" * 5000 + "1", "1e38", "1e37", "-1e19", "true", "None",
        )
    ),
)  # fmt: skip

#: Times and what is none; none of them is of the year that the shop lives in.
TIME_TEXTS = st.one_of(
    st.builds(
        "{}-{:02}-{:02}{}{}".format,
        st.integers(0, 294_276).filter(lambda year: year not in (2023, 2024)).map("{:04}".format),
        st.integers(0, 13),
        st.integers(0, 32),
        st.sampled_from(("", "T10:00:00", " 24:00:00", " 23:59:60", "T10:00:00.123456789", "T1")),
        st.sampled_from(("", "Z", "+00", "+14:00", "-23:59", "+24:00", "+1", " UTC", "[CET]")),
    ),
    st.sampled_from(
        (
            "infinity", "-infinity", "epoch", "now", "today", "0044-03-15 (BC)", "2024", "20240303",
            "1709460000", "1709460000000", "9" * 30, "-1", "0000-00-00 00:00:00", "", " ", "NaN",
            "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
            "294247-01-10 04:00:54.775807", "290309-12-22 (BC)", "yesterday", "03/03/24",
        )
    ),
)  # fmt: skip

#: Any text; that of a column is a word, and not what it says.
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        (
            "\x00", "a\x00b", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "'; drop table orders; --",
            '"', '""', "\\", "\r\n", "\ufeff", "\U0010ffff", "x" * 100_000, "e\u0301" * 50,
            "someone@example.invalid", "someone\uff20example.invalid", "{}", "[e-mail]", "NULL",
        )
    ),
)  # fmt: skip

#: Ids that no row of the shop has.
ID_TEXTS = st.one_of(
    st.integers(10**6, 10**40).map(str),
    st.sampled_from(
        (
            "-1000000", "9223372036854775808", "1e6", "1000000.5", "", " ", "NaN", "x" * 10_000,
            "1000001\x00", "\x1b", "someone@example.invalid", "NULL", "0001000002", "١٢٣٤٥٦٧",
        )
    ),
)  # fmt: skip

#: Numbers that a column of numbers can hold, in any database; and what PostgreSQL holds besides.
NUMBERS = st.one_of(
    st.builds(
        "{}{}.{}".format,
        st.sampled_from(("", "-")),
        st.text("0123456789", min_size=1, max_size=35),
        st.text("0123456789", min_size=1, max_size=30),
    ),
    st.sampled_from(("9999999999999999.99", "9999999999999999.995", "1e30", "-0", None)),
)
POSTGRES_NUMBERS = NUMBERS | st.sampled_from(
    ("NaN", "Infinity", "-Infinity", "9" * 27, "9" * 5000, "1e130000", "0." + "0" * 5000 + "1")
)

#: Times that a database can hold.
MARIADB_TIMES = st.sampled_from(
    (None, "0000-00-00", "0001-01-01", "1000-01-01", "1970-01-01", "2024-02-31", "9999-12-31")
)
POSTGRES_TIMES = st.sampled_from(
    (None, "infinity", "-infinity", "4713-01-01 BC", "0001-01-01", "9999-12-31", "294276-12-31")
)

#: Texts that a column of texts can hold: of at most 255 characters, and without NUL.
STORED_TEXTS = TEXTS.map(lambda text: text.replace("\x00", "")[:255])
STORED_IDS = ID_TEXTS.map(lambda text: text.replace("\x00", "")[:100])

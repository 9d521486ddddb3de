-- What several SQL files do to a value.

-- A text without white space around it; `trim` knows spaces alone.
create macro trimmed(value) as regexp_replace(value, '^[\s\v\p{Z}]+|[\s\v\p{Z}]+$', '', 'g');

-- The region's name; a shop's own region `all` must not be taken for all regions.
create macro clean_region(value) as case
    when coalesce(trimmed(value), '') = '' then 'unknown'
    when lower(trimmed(value)) = 'all' then 'all (region)'
    else trimmed(value)
end;

-- The amount that a text says, rounded half up; NULL where it says none, or one too large.
-- No guard keeps a value from a cast: a query may cast before it asks. So all of them only try.
create macro clean_amount(value) as case
    -- Twelve decimals decide the rounding; a cast of more would round twice.
    when regexp_full_match(trimmed(value), '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)')
        then try_cast(
            try_cast(
                regexp_extract(trimmed(value), '[+-]?[0-9]*[.]?[0-9]{0,12}') as decimal(38, 12)
            ) as decimal(18, 2)
        )
    when
        regexp_full_match(
            trimmed(value), '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)[eE][+-]?[0-9]{1,2}'
        )
        then try_cast(try_cast(trimmed(value) as decimal(38, 20)) as decimal(18, 2))
end;

-- HMAC-SHA256 as in RFC 2104, in hex: the padded keys come ready-made.
create macro keyed_hash(value, inner_pad, outer_pad) as sha256(
    outer_pad || unhex(sha256(inner_pad || encode(value)))
);

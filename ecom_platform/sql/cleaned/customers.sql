-- One row per distinct raw customer: its cleaned values, and why it is rejected where it is.

with

email_key as (

    select * from settings.email_key

),

calendar as (

    select * from settings.calendar

),

typed as (

    select
        raw_customers.*,
        lower(trimmed(raw_customers.email)) as clean_email,
        count(*) over (partition by raw_customers.date, raw_customers.id) as rows_of_id
    from raw.customers as raw_customers

)

select
    typed.row_id,
    typed.date,
    typed.id,
    case
        when typed.clean_email <> ''
            then keyed_hash(typed.clean_email, email_key.inner_pad, email_key.outer_pad)
    end as email_hmac,
    case when typed.clean_email <> '' then email_key.key_id end as email_hmac_key_id,
    clean_region(typed.region) as region,
    typed.signup_date,
    case
        when typed.id is null then 'id is missing'
        when typed.rows_of_id > 1 then 'id is on rows that differ'
        when typed.signup_date_text is not null then 'signup_date is not a date'
        -- Who signed up before the first partition is filed under it.
        when
            typed.signup_date is not null
            and greatest(typed.signup_date, calendar.first_day) <> typed.date
            then 'signup_date is not on this day'
    end as reject_reason
from typed
cross join email_key
cross join calendar

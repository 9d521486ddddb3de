-- One row per distinct raw order: its cleaned values, and why it is rejected where it is.

with

days as (

    select * from settings.days

),

void_statuses as (

    select * from settings.void_order_statuses

),

typed as (

    select
        *,
        coalesce(nullif(lower(trimmed(status)), ''), 'unknown') as clean_status,
        coalesce(total_amount, clean_amount(total_amount_text)) as clean_amount,
        count(*) over (partition by date, id) as rows_of_id
    from raw.orders

)

select
    typed.row_id,
    typed.date,
    typed.id,
    typed.customer_id,
    clean_region(typed.customer_region) as region,
    typed.clean_amount as total_amount,
    typed.created_at,
    typed.clean_status as status,
    typed.clean_status in (select status from void_statuses) as is_void,
    typed.customer_found is not distinct from false as is_orphan,
    case
        when typed.id is null then 'id is missing'
        when typed.rows_of_id > 1 then 'id is on rows that differ'
        when typed.created_at_text is not null then 'created_at is not a time'
        when typed.created_at is null then 'created_at is missing'
        when
            typed.created_at < days.starts_at
            or typed.created_at >= days.ends_at
            then 'created_at is not on this day'
        -- Not for its amount: an order placed is one, and no metric reads what it came to.
    end as reject_reason
from typed
inner join days on typed.date = days.date

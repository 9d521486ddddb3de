-- One row per distinct raw payment: its cleaned values, and why it is rejected where it is.

with

days as (

    select * from settings.days

),

status_words as (

    select * from settings.payment_status_words

),

typed as (

    select
        *,
        -- While unpaid, a payment belongs to the day of its order; without one, to the first.
        coalesce(paid_at, order_created_at) as dated_at,
        coalesce(amount, clean_amount(amount_text)) as clean_amount,
        count(*) over (partition by date, id) as rows_of_id
    from raw.payments

)

select
    typed.row_id,
    typed.date,
    typed.id,
    typed.order_id,
    typed.customer_id,
    clean_region(typed.customer_region) as region,
    typed.clean_amount as amount,
    case when typed.status is null then 'other' else coalesce(status_words.status, 'other') end
        as status,
    typed.status as source_status,
    typed.paid_at,
    typed.order_found is distinct from true as is_orphan,
    case
        when typed.id is null then 'id is missing'
        when typed.rows_of_id > 1 then 'id is on rows that differ'
        when typed.paid_at_text is not null then 'paid_at is not a time'
        when
            typed.dated_at < days.starts_at
            or typed.dated_at >= days.ends_at
            then case
                when typed.paid_at is null then 'its order was not placed on this day'
                else 'paid_at is not on this day'
            end
        when typed.amount is null and typed.amount_text is null then 'amount is missing'
        when typed.clean_amount is null then 'amount is not an amount'
    end as reject_reason
from typed
inner join days on typed.date = days.date
left join status_words on lower(trimmed(typed.status)) = status_words.word

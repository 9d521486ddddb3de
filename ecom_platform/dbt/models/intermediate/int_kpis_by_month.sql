-- One row per month with a computed day and region that ever was, 0 where it had nothing. Sums
-- are of the days that are there, and NULL without any.

with

kpis as (

    select
        *,
        cast(date_trunc('month', date) as date) as month
    from {{ ref('int_kpis') }}

),

months as (

    select
        month,
        region,
        min(known_since) as known_since,
        max(date) as last_day_computed,
        {{ sums_of_days() }}
    from kpis
    group by month, region

),

customers as (

    select
        cast(date_trunc('month', date) as date) as month,
        region,
        cast(sum(customers) as bigint) as total_customers
    from {{ ref('int_order_gaps') }}
    where previous_date is null or previous_date < date_trunc('month', date)
    group by all

)

select
    months.* exclude (last_day_computed),
    if(months.order_days = 0, null, coalesce(customers.total_customers, 0)) as total_customers,
    last_day.customer_retention_rate,
    last_day.active_customers,
    last_day.repeat_customers
from months
left join customers using (month, region)
left join kpis as last_day
    on months.last_day_computed = last_day.date and months.region = last_day.region

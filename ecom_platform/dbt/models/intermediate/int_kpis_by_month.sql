-- One row per month with a computed day and region that ever was, zeros where it had nothing.

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
        count(*) as days_computed,
        max(date) as last_day_computed,
        cast(sum(total_revenue) as decimal(18, 2)) as total_revenue,
        cast(sum(total_orders) as bigint) as total_orders,
        cast(sum(void_orders) as bigint) as void_orders
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
    months.month,
    months.region,
    months.known_since,
    months.days_computed,
    months.total_revenue,
    months.total_orders,
    months.void_orders,
    coalesce(customers.total_customers, 0) as total_customers,
    cast(months.total_revenue as double) / nullif(months.total_orders, 0)
        as average_order_value,
    last_day.customer_retention_rate,
    last_day.active_customers,
    last_day.repeat_customers
from months
left join customers using (month, region)
left join kpis as last_day
    on months.last_day_computed = last_day.date and months.region = last_day.region

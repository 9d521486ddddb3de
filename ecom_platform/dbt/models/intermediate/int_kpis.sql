-- One row per day that any main metric has and region that ever was: 0 where it had nothing,
-- NULL where the metric was not computed for the day.

with

seen as (

    select 'revenue' as metric, region, date from {{ source('metrics', 'total_revenue') }}
    union all
    select 'orders' as metric, region, date from {{ source('metrics', 'total_orders') }}
    union all
    select 'customers' as metric, region, date from {{ source('metrics', 'total_customers') }}
    union all
    select 'average' as metric, region, date from {{ source('metrics', 'average_order_value') }}
    union all
    select 'retention' as metric, region, date
    from {{ source('metrics', 'customer_retention_rate') }}

),

days as (

    -- Every metric has a row for all regions of each day for which it was computed.
    select
        date,
        if(bool_or(metric = 'revenue'), 0, null) as no_revenue,
        if(bool_or(metric = 'orders'), 0, null) as no_orders,
        if(bool_or(metric = 'customers'), 0, null) as no_customers,
        if(bool_or(metric = 'retention'), 0, null) as no_retention
    from seen
    where region = 'all'
    group by date

),

regions as (

    select
        region,
        min(date) as known_since
    from seen
    group by region

)

select
    days.date,
    regions.region,
    regions.known_since,
    coalesce(revenue.total_revenue, days.no_revenue) as total_revenue,
    coalesce(orders.total_orders, days.no_orders) as total_orders,
    coalesce(orders.void_orders, days.no_orders) as void_orders,
    coalesce(customers.total_customers, days.no_customers) as total_customers,
    order_values.average_order_value,
    retention.customer_retention_rate,
    coalesce(retention.active_customers, days.no_retention) as active_customers,
    coalesce(retention.repeat_customers, days.no_retention) as repeat_customers
from days
cross join regions
left join {{ source('metrics', 'total_revenue') }} as revenue using (date, region)
left join {{ source('metrics', 'total_orders') }} as orders using (date, region)
left join {{ source('metrics', 'total_customers') }} as customers using (date, region)
left join {{ source('metrics', 'average_order_value') }} as order_values using (date, region)
left join {{ source('metrics', 'customer_retention_rate') }} as retention using (date, region)

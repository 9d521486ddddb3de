-- One row per range of days up to the report day, comparison and region.

with

ranges as (

    select * from {{ ref('int_ranges') }}

),

kpis as (

    select * from {{ ref('int_kpis') }}

),

sums as (

    select
        ranges.range,
        ranges.comparison,
        kpis.region,
        count(*) as days_computed,
        cast(sum(kpis.total_revenue) as decimal(18, 2)) as total_revenue,
        cast(sum(kpis.total_orders) as bigint) as total_orders,
        cast(sum(kpis.void_orders) as bigint) as void_orders
    from ranges
    inner join kpis on kpis.date between ranges.first_day and ranges.last_day
    group by ranges.range, ranges.comparison, kpis.region

),

customers as (

    select
        ranges.range,
        ranges.comparison,
        days.region,
        cast(sum(days.customers) filter (where counted = 'ordered') as bigint) as ordered,
        cast(sum(days.customers) filter (where counted = 'new') as bigint) as new,
        cast(sum(days.customers) filter (where counted = 'returned') as bigint) as returned
    from ranges
    inner join {{ ref('int_customer_days') }} as days
        on
            days.date between ranges.first_day and ranges.last_day
            and coalesce(days.earlier_date < ranges.first_day, true)
    group by ranges.range, ranges.comparison, days.region

)

select
    ranges.range,
    ranges.comparison,
    regions.region,
    ranges.first_day,
    ranges.last_day,
    ranges.last_day - ranges.first_day + 1 as days,
    coalesce(sums.days_computed, 0) as days_computed,
    sums.total_revenue,
    sums.total_orders,
    sums.void_orders,
    if(sums.region is null, null, coalesce(customers.ordered, 0)) as total_customers,
    cast(sums.total_revenue as double) / nullif(sums.total_orders, 0)
        as average_order_value,
    if(sums.region is null, null, coalesce(customers.new, 0)) as new_customers,
    if(sums.region is null, null, coalesce(customers.returned, 0))
        as returning_customers,
    last_days.customer_retention_rate
from ranges
cross join (select distinct region from kpis) as regions
left join sums using (range, comparison, region)
left join customers using (range, comparison, region)
left join kpis as last_days
    on ranges.last_day = last_days.date and regions.region = last_days.region

-- One row per range of days up to the report day, comparison and region. Sums are of the days
-- that are there, and NULL without any.

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
        {{ sums_of_days() }}
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
    coalesce(sums.revenue_days, 0) as revenue_days,
    coalesce(sums.order_days, 0) as order_days,
    sums.total_revenue,
    sums.total_orders,
    sums.void_orders,
    if(sums.order_days > 0, coalesce(customers.ordered, 0), null) as total_customers,
    sums.average_order_value,
    if(sums.order_days > 0, coalesce(customers.new, 0), null) as new_customers,
    if(sums.order_days > 0, coalesce(customers.returned, 0), null)
        as returning_customers,
    last_days.customer_retention_rate
from ranges
cross join (select distinct region from kpis) as regions
left join sums using (range, comparison, region)
left join customers using (range, comparison, region)
left join kpis as last_days
    on ranges.last_day = last_days.date and regions.region = last_days.region

-- One row per day and region with a customer active in the window, and one for all regions.
-- Each order counts its customer, in its region, from its day until the customer's next order
-- or the end of the window: one pass over the orders, whatever the window and the range.

with

orders as (

    select
        region,
        date as starts,
        lag(date) over customer_orders as previous_day,
        lead(date) over customer_orders as next_day
    from cleaned.orders
    where customer_id is not null and not is_void
    window customer_orders as (partition by customer_id order by created_at, id)

),

spans as (

    -- NULLs count in neither `least` nor `greatest`. Without an order before, nobody repeats.
    select
        orders.region,
        orders.starts,
        least(orders.starts + retention.days, orders.next_day) as active_until,
        greatest(
            orders.starts,
            least(
                coalesce(orders.previous_day + retention.days, orders.starts), orders.next_day
            )
        ) as repeating_until
    from orders
    cross join settings.retention as retention

),

changes as (

    select starts as date, region, 1 as active, 1 as repeating from spans
    union all
    select active_until, region, -1, 0 from spans
    union all
    select repeating_until, region, 0, -1 from spans
    union all
    select days.date, regions.region, 0, 0
    from settings.days as days
    left join (select distinct region from orders) as regions on true

),

running as (

    select
        date,
        case when grouping(region) = 1 then 'all' else region end as region,
        sum(sum(active)) over so_far as active_customers,
        sum(sum(repeating)) over so_far as repeat_customers
    from changes
    group by grouping sets ((date, region), (date))
    having grouping(region) = 1 or region is not null
    window so_far as (partition by grouping(region), region order by date)

)

select
    running.date,
    running.region,
    running.active_customers,
    running.repeat_customers,
    cast(running.repeat_customers as double) / nullif(cast(running.active_customers as double), 0)
        as customer_retention_rate
from running
inner join settings.days as days on running.date = days.date
where running.active_customers > 0 or running.region = 'all'

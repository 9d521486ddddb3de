-- One row per day whose orders are there and region known by then: new and returning customers,
-- and all of them so far.

with

days as (

    select * from {{ ref('int_order_days') }}

),

new_customers as (

    select
        *,
        cast(sum(new_customers) over so_far as bigint) as to_date
    from {{ ref('int_new_customers') }}
    window so_far as (partition by region order by date)

),

returned as (

    select
        date,
        region,
        cast(sum(customers) as bigint) as returning_customers
    from {{ ref('int_return_gaps') }}
    group by date, region

)

select
    days.date,
    days.region,
    coalesce(
        case when new_customers.date = days.date then new_customers.new_customers end, 0
    ) as new_customers,
    coalesce(returned.returning_customers, 0) as returning_customers,
    coalesce(new_customers.to_date, 0) as customers_to_date
from days
asof left join new_customers
    on days.region = new_customers.region and days.date >= new_customers.date
left join returned on days.date = returned.date and days.region = returned.region

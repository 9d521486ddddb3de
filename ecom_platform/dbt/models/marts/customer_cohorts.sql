-- One row per month of the first order, region of it and number of months since: who came back.

with

newest as (

    select max(date) as day from {{ ref('int_order_days') }}

),

first_orders as (

    select
        customer_id,
        region,
        cast(date_trunc('month', first_date) as date) as cohort_month
    from {{ ref('int_first_orders') }}

),

cohorts as (

    select
        cohort_month,
        case when grouping(region) = 1 then 'all' else region end as region,
        count(*) as cohort_customers
    from first_orders
    group by grouping sets ((cohort_month, region), (cohort_month))

),

active as (

    select
        firsts.cohort_month,
        case when grouping(firsts.region) = 1 then 'all' else firsts.region end as region,
        date_diff('month', firsts.cohort_month, orders.date) as months_since,
        count(distinct orders.customer_id) as ordered
    from {{ source('cleaned', 'orders') }} as orders
    inner join first_orders as firsts on orders.customer_id = firsts.customer_id
    where not orders.is_void and orders.date <= (select day from newest)
    group by
        grouping sets (
            (firsts.cohort_month, months_since, firsts.region),
            (firsts.cohort_month, months_since)
        )

),

numbers as (

    select unnest(range(date_diff('month', min(cohort_month), newest.day) + 1)) as months_since
    from cohorts
    cross join newest
    group by newest.day

),

triangle as (

    select
        cohorts.*,
        numbers.months_since,
        cohorts.cohort_month + to_months(numbers.months_since) as begins_on
    from cohorts
    cross join numbers

)

select
    triangle.cohort_month,
    triangle.months_since,
    triangle.region,
    triangle.cohort_customers,
    if(triangle.begins_on <= newest.day, coalesce(active.ordered, 0), null) as customers,
    cast(customers as double) / triangle.cohort_customers as retention,
    last_day(triangle.begins_on) <= newest.day as is_complete
from triangle
cross join newest
left join active using (cohort_month, months_since, region)

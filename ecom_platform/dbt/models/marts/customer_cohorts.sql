-- One row per month of the first order, region of it and number of months since: who came back.

with

report as (

    select max(report_day) as day from {{ ref('int_days') }}

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

active_months as (

    select distinct
        customer_id,
        date_trunc('month', date) as month
    from {{ source('cleaned', 'orders') }}
    where
        customer_id is not null
        and not is_void
        and date <= (select day from report)

),

active as (

    select
        first_orders.cohort_month,
        case when grouping(region) = 1 then 'all' else region end as region,
        date_diff('month', cohort_month, month) as months_since,
        count(*) as customers
    from active_months
    inner join first_orders using (customer_id)
    group by grouping sets ((cohort_month, month, region), (cohort_month, month))

),

triangle as (

    select
        cohorts.*,
        months_since,
        last_day(cohort_month + to_months(months_since)) as ends_on
    from cohorts
    cross join (
        select unnest(range(date_diff('month', min(cohort_month), any_value(day)) + 1))
            as months_since
        from cohorts
        cross join report
    )

)

select
    triangle.cohort_month,
    triangle.months_since,
    triangle.region,
    triangle.cohort_customers,
    if(date_trunc('month', ends_on) <= day, coalesce(customers, 0), null) as customers,
    cast(if(date_trunc('month', ends_on) <= day, coalesce(customers, 0), null) as double)
        / cohort_customers as retention,
    ends_on <= day as is_complete
from triangle
cross join report
left join active using (cohort_month, months_since, region)

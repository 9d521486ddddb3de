-- One row per month of the first order and region of it: the customers whose 90 days since
-- are over, and how many of them ordered again in that time.

select
    cast(date_trunc('month', first_date) as date) as cohort_month,
    case when grouping(region) = 1 then 'all' else region end as region,
    count(*) as cohort_customers,
    count(*) filter (where second_date - first_date <= 90) as repeat_customers,
    cast(repeat_customers as double) / cohort_customers as repeat_rate
from {{ ref('int_first_orders') }}
where first_date + 90 <= (select max(date) from {{ ref('int_order_days') }})
group by
    grouping sets (
        (date_trunc('month', first_date), region), (date_trunc('month', first_date))
    )

-- One row per day that is in all the main metrics. The newest is the report day.

with

days as (

    select date from {{ source('metrics', 'total_revenue') }}
    where region = 'all'
    intersect
    select date from {{ source('metrics', 'total_orders') }}
    where region = 'all'
    intersect
    select date from {{ source('metrics', 'total_customers') }}
    where region = 'all'
    intersect
    select date from {{ source('metrics', 'average_order_value') }}
    where region = 'all'
    intersect
    select date from {{ source('metrics', 'customer_retention_rate') }}
    where region = 'all'

)

select
    date,
    max(date) over () as report_day
from days

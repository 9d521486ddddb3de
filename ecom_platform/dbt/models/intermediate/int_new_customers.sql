-- One row per day and region (and all regions) with a customer's first order that is not void.

select
    first_date as date,
    case when grouping(region) = 1 then 'all' else region end as region,
    count(*) as new_customers
from {{ ref('int_first_orders') }}
group by grouping sets ((first_date, region), (first_date))

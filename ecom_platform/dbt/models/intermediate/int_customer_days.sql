-- One row per region (and all regions), day, earlier day and what is counted: customers who
-- `ordered`, who were `new`, who `returned`. In any span of days, the distinct customers are
-- the sum of those whose earlier day, where there is one, lies before the span.

select
    'ordered' as counted,
    region,
    date,
    previous_date as earlier_date,
    customers
from {{ ref('int_order_gaps') }}
union all
select
    'returned' as counted,
    region,
    date,
    earlier_date,
    customers
from {{ ref('int_return_gaps') }}
union all
select
    'new' as counted,
    region,
    date,
    null as earlier_date,
    new_customers as customers
from {{ ref('int_new_customers') }}

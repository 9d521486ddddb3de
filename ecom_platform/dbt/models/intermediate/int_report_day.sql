-- One row: the newest day that has revenue and orders, on which ranges end. None before the first.

select max(revenue.date) as day
from {{ source('metrics', 'total_revenue') }} as revenue
inner join {{ source('metrics', 'total_orders') }} as orders
    on revenue.date = orders.date and revenue.region = orders.region
where revenue.region = 'all'
having max(revenue.date) is not null

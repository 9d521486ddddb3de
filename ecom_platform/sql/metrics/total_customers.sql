-- One row per day and region with an order, and one for all regions of every day.

select
    days.date,
    case when grouping(orders.region) = 1 then 'all' else orders.region end as region,
    count(distinct orders.customer_id) as total_customers
from settings.days as days
left join cleaned.orders as orders on days.date = orders.date
group by grouping sets ((days.date, orders.region), (days.date))
having grouping(orders.region) = 1 or orders.region is not null

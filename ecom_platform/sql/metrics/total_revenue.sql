-- One row per day and region with a payment, and one for all regions of every day.

select
    days.date,
    case when grouping(payments.region) = 1 then 'all' else payments.region end as region,
    coalesce(sum(case when payments.status = 'completed' then payments.amount end), 0)
        as total_revenue
from settings.days as days
left join cleaned.payments as payments on days.date = payments.date
group by grouping sets ((days.date, payments.region), (days.date))
having grouping(payments.region) = 1 or payments.region is not null

-- One row per day, region (and all regions) and payment status that occurs.

select
    date,
    case when grouping(region) = 1 then 'all' else region end as region,
    status,
    count(*) as payments,
    sum(amount) as amount
from cleaned.payments
group by grouping sets ((date, region, status), (date, status))

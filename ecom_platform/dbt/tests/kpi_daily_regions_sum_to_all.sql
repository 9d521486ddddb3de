-- One row per day on which the regions do not sum to `all`.

select date
from {{ ref('kpi_daily') }}
group by date
having
    sum(total_revenue) <> 2 * sum(total_revenue) filter (where region = 'all')
    or sum(total_orders) <> 2 * sum(total_orders) filter (where region = 'all')

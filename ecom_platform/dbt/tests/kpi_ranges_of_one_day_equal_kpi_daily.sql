-- One row per comparison and region of the range of one day that differs from that day.

select
    ranges.comparison,
    ranges.region
from {{ ref('kpi_ranges') }} as ranges
inner join {{ ref('kpi_daily') }} as days
    on ranges.last_day = days.date and ranges.region = days.region
where
    ranges.range = '1D'
    and (
        ranges.total_revenue is distinct from days.total_revenue
        or ranges.total_orders is distinct from days.total_orders
        or ranges.total_customers <> days.total_customers -- if both are there
    )

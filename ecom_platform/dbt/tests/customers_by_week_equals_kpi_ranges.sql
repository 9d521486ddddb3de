-- One row per region whose newest week differs from the range of 7 days.

select weeks.region
from {{ ref('customers_by_week') }} as weeks
inner join {{ ref('kpi_ranges') }} as ranges
    on
        weeks.region = ranges.region
        and weeks.first_day = ranges.first_day
        and weeks.last_day = ranges.last_day
where
    ranges.range = '7D'
    and weeks.total_customers is distinct from ranges.total_customers

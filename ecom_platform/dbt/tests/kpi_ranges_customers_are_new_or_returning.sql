-- One row per range in which more customers are new or returning than ordered.

select *
from {{ ref('kpi_ranges') }}
where new_customers + returning_customers > total_customers

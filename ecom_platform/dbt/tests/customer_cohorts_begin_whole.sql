-- One row per cohort of which not everybody ordered in its first month.

select *
from {{ ref('customer_cohorts') }}
where months_since = 0 and customers <> cohort_customers

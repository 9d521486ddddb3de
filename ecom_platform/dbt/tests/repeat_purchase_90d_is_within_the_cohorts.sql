-- One row per cohort with more matured customers than it has customers.

select
    cohort_month,
    region
from {{ ref('repeat_purchase_90d') }} as matured
left join (
    select * from {{ ref('customer_cohorts') }}
    where months_since = 0
) as cohorts using (cohort_month, region)
where
    cohorts.cohort_customers is null
    or matured.cohort_customers > cohorts.cohort_customers

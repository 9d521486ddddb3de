-- One row when the cohorts together are not all customers so far.

with

cohorts as (

    select sum(cohort_customers) as customers
    from {{ ref('customer_cohorts') }}
    where months_since = 0 and region = 'all'

),

so_far as (

    select max(customers_to_date) as customers
    from {{ ref('customers_to_date') }}
    where region = 'all'

)

select
    cohorts.customers as in_cohorts,
    so_far.customers as in_customers_to_date
from cohorts
cross join so_far
where coalesce(cohorts.customers, 0) <> so_far.customers

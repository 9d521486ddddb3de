-- One row per 7 days and region: bins that end on the report day, so that none is cut short.

with

days as (

    select * from {{ ref('int_days') }}

),

numbers as (

    select
        max(date) as report_day,
        unnest(range((max(date) - min(date) + 1) // 7)) as bin
    from days

),

bins as (

    select
        bin,
        cast(report_day - to_days(cast(7 * bin + 6 as integer)) as date) as first_day,
        cast(report_day - to_days(cast(7 * bin as integer)) as date) as last_day
    from numbers

),

computed as (

    select
        bins.bin,
        count(*) as days_computed
    from bins
    inner join days on days.date between bins.first_day and bins.last_day
    group by bins.bin

),

customers as (

    select
        bins.bin,
        gaps.region,
        cast(sum(gaps.customers) as bigint) as total_customers
    from bins
    inner join {{ ref('int_order_gaps') }} as gaps
        on
            gaps.date between bins.first_day and bins.last_day
            and coalesce(gaps.previous_date < bins.first_day, true)
    group by bins.bin, gaps.region

)

select
    bins.bin,
    regions.region,
    bins.first_day,
    bins.last_day,
    coalesce(computed.days_computed, 0) as days_computed,
    if(computed.bin is null, null, coalesce(customers.total_customers, 0))
        as total_customers
from bins
left join computed using (bin)
cross join (select distinct region from {{ ref('int_kpis') }}) as regions
left join customers using (bin, region)

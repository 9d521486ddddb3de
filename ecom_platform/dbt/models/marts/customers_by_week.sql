-- One row per 7 days and region: bins that end on the report day, so that none is cut short.

with

days as (

    select date from {{ ref('int_order_days') }}
    where region = 'all'

),

numbers as (

    select
        report.day as report_day,
        unnest(range((report.day - min(days.date) + 1) // 7)) as bin
    from days
    cross join {{ ref('int_report_day') }} as report
    group by report.day

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
        count(*) as order_days
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
    coalesce(computed.order_days, 0) as order_days,
    if(computed.bin is null, null, coalesce(customers.total_customers, 0))
        as total_customers
from bins
left join computed using (bin)
cross join (select distinct region from {{ ref('int_order_days') }}) as regions
left join customers using (bin, region)

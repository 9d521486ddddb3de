-- One row per range and comparison: its first and last day, counted from the report day.

with

report as (

    select * from {{ ref('int_report_day') }}

),

rolling as (

    select
        ranges.name as range,
        day - ranges.days + 1 as first_day,
        day as last_day,
        day - ranges.days as previous_last_day,
        day - 2 * ranges.days + 1 as previous_first_day,
        cast(day - interval 1 year as date) as year_before,
        cast(day - interval 1 year as date) - ranges.days + 1 as year_before_first_day
    from report
    cross join (values ('1D', 1), ('7D', 7), ('28D', 28), ('90D', 90)) as ranges (name, days)

),

last_year as (

    select
        '12M' as range,
        cast(day - interval 1 year as date) + 1 as first_day,
        day as last_day,
        cast(day - interval 1 year as date) as previous_last_day,
        cast(day - interval 2 year as date) + 1 as previous_first_day,
        cast(day - interval 1 year as date) as year_before,
        cast(day - interval 2 year as date) + 1 as year_before_first_day
    from report

),

to_date as (

    select
        ranges.name as range,
        cast(date_trunc(ranges.unit, day) as date) as first_day,
        day as last_day,
        cast(date_trunc(ranges.unit, day) - ranges.step as date) as previous_first_day,
        cast(day - interval 1 year as date) as year_before,
        cast(date_trunc(ranges.unit, day) - interval 1 year as date) as year_before_first_day
    from report
    cross join (
        values ('MTD', 'month', interval 1 month),
        ('QTD', 'quarter', interval 3 month),
        ('YTD', 'year', interval 1 year)
    ) as ranges (name, unit, step)

),

spans as (

    select * from rolling
    union all by name
    select * from last_year
    union all by name
    select
        *,
        -- As many days of it, but none of the next one.
        least(previous_first_day + cast(last_day - first_day as integer), first_day - 1)
            as previous_last_day
    from to_date

)

select range, 'current' as comparison, first_day, last_day from spans
union all
select range, 'previous_period' as comparison, previous_first_day, previous_last_day from spans
union all
select range, 'previous_week' as comparison, first_day - 7 as first, last_day - 7 as last from spans
union all
select range, 'previous_year' as comparison, year_before_first_day, year_before from spans

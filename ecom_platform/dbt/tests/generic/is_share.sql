-- One row per row of the model with a share that is not between 0 and 1.
{% test is_share(model, columns) %}

select *
from {{ model }}
where
    {% for column in columns -%}
    {{ "or " if not loop.first }}{{ column }} not between 0 and 1
    {% endfor %}

{% endtest %}

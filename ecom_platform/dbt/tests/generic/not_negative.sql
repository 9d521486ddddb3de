-- One row per row of the model with a number below zero.
{% test not_negative(model, columns) %}

select *
from {{ model }}
where least({{ columns | join(", ") }}) < 0

{% endtest %}

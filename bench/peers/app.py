"""The webhook as Django is usually written: models, a transaction a request, kept database connections. Run by gunicorn as app:application;
where the database is comes from PG* of the environment, the secret from BENCH_SECRET."""
import hmac
import json
import os

import django
from django.conf import settings

settings.configure(
    DEBUG=False, SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF="app", INSTALLED_APPS=[], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"], "HOST": os.environ["PGHOST"],
                           "PORT": os.environ["PGPORT"], "CONN_MAX_AGE": None}})
django.setup()
# What uses the settings can come only now.
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models, transaction  # noqa: E402
from django.http import HttpResponse, HttpResponseForbidden  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402


class Update(models.Model):
    update_id = models.BigIntegerField(primary_key=True)
    body = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bench"
        db_table = "django_update"


class Task(models.Model):
    update_id = models.BigIntegerField()
    kind = models.TextField()
    state = models.SmallIntegerField(default=0)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bench"
        db_table = "django_task"


@csrf_exempt
def hook(request):
    if not hmac.compare_digest(request.headers.get("X-Telegram-Bot-Api-Secret-Token", ""), os.environ["BENCH_SECRET"]):
        return HttpResponseForbidden()
    update = json.loads(request.body)
    with transaction.atomic():
        _, new = Update.objects.get_or_create(update_id=update["update_id"], defaults={"body": update})
        if new:
            Task.objects.create(update_id=update["update_id"], kind=update["message"]["text"].split()[0])
    return HttpResponse("")


urlpatterns = [path("webhook", hook)]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.db import connection
    with connection.schema_editor() as editor:
        for model in (Update, Task):
            editor.create_model(model)

"""A Django project in one file, without a database: what test_django.py puts behind Millrace.

`wsgi` is for gunicorn, `asgi` for uvicorn; whoever starts it makes one of them `app`.
"""

import hashlib
import os
import pathlib

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

LINE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n"

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost", ".shop.example"],
    APPEND_SLASH=True,
    DEBUG=False,
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.http.ConditionalGetMiddleware",
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="known to everybody",
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    USE_TZ=True)


def describe(request):
    """The request as the project sees it."""
    return JsonResponse({"method": request.method, "path": request.path, "query": request.GET.dict(),
                         "host": request.get_host(), "secure": request.is_secure(),
                         "here": request.build_absolute_uri(), "pid": os.getpid(),
                         "forwarded_for": request.META.get("HTTP_X_FORWARDED_FOR")})


@csrf_exempt
@require_POST
def upload(request):
    """A form of several parts: its fields, and what its files are."""
    files = {}
    for name, file in request.FILES.items():
        digest = hashlib.sha256()
        for piece in file.chunks():
            digest.update(piece)
        files[name] = {"name": file.name, "bytes": file.size, "sha256": digest.hexdigest()}
    return JsonResponse({"fields": request.POST.dict(), "files": files})


def form(request):
    """Guarded by CSRF: GET gives out the token, which a POST must bring back."""
    return JsonResponse({"token": get_token(request), "text": request.POST.get("text")})


def visits(request):
    """Counts, in the session's cookie."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


def generated(request):
    """A body of unknown length."""
    lines = int(request.GET["lines"])
    pieces = (LINE * min(1000, lines - first) for first in range(0, lines, 1000))
    return StreamingHttpResponse(pieces, content_type="text/plain")


def file(request):
    """A body out of a file, which gunicorn sends by sendfile."""
    whole = pathlib.Path(__file__).with_name("download")
    return FileResponse(whole.open("rb"), content_type="application/octet-stream")


def events(request):
    """The second event is made when a byte comes out of the pipe: not before, not later."""

    def pieces():
        yield b"data: first\n\n"
        with open(request.GET["pipe"], "rb", buffering=0) as pipe:
            pipe.read(1)
        yield b"data: second\n\n"

    async def pieces_in_turn():
        for piece in pieces():
            yield piece

    # Django 4.2 and newer take a plain iterator in as a whole before they send anything by ASGI.
    in_turn = isinstance(request, ASGIRequest) and django.VERSION >= (4, 2)
    return StreamingHttpResponse(pieces_in_turn() if in_turn else pieces(),
                                 content_type="text/event-stream")


def failure(request):
    raise RuntimeError("it has a fault")


urlpatterns = [path("", describe), path("describe/", describe), path("upload/", upload),
               path("buffered/upload/", upload), path("form/", form), path("visits/", visits),
               path("generated/", generated), path("file/", file), path("events/", events),
               path("failure/", failure)]

wsgi, asgi = get_wsgi_application(), get_asgi_application()

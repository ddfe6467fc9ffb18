from __future__ import annotations

import os

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from tests.cluster.urls import urlpatterns as of_the_cluster
from tests.thumbnails.pictures import jpeg, upload


def replace(request: HttpRequest) -> HttpResponse:
    """Upload a picture of one colour under a name that may be taken."""
    upload(request.GET["name"], jpeg(request.GET["colour"]))
    return HttpResponse("replaced")


urls = "async_urls" if os.environ.get("SITE_IS_ASYNC") else "urls"
urlpatterns = [
    path("thumbs/", include(f"nothing_shared.thumbnails.{urls}")),
    path("replace/", replace),
    *of_the_cluster,
]

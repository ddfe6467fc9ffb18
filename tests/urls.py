from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("thumbs/", include("nothing_shared.thumbnails.urls")),
]
